package evidence

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"daybook.dev/internal/wal"
)

// A Proof shows that a record is in the tree of a checkpoint. Whoever has the
// checkpoint can check it with tlog.CheckRecord, or any program for RFC 6962:
// neither the journal nor the other records are needed.
type Proof struct {
	Index  int64            // of the leaf: the record's sequence, less the first one's
	Size   int64            // of the tree
	Root   tlog.Hash        // what the checkpoint says
	Leaf   tlog.Hash        // of the record: its kind (1 byte) and payload
	Hashes tlog.RecordProof // the audit path
}

// Prove proves that a record is in the tree of the checkpoint c. It fails when
// the record is another than the one the checkpoint covers.
func Prove(data string, c Checkpoint, r wal.Record) (Proof, error) {
	if r.Sequence < c.First || r.Sequence > c.Last() {
		return Proof{}, fmt.Errorf("evidence: sequence %d is not covered: the checkpoint has %d to %d", r.Sequence, c.First, c.Last())
	}
	p := Proof{Index: int64(r.Sequence - c.First), Size: c.Size, Root: c.Root, Leaf: leaf(r)}
	var err error
	if p.Hashes, err = tlog.ProveRecord(p.Size, p.Index, hashes{Directory(data)}); err == nil {
		err = p.Check()
	}
	if err != nil {
		return Proof{}, fmt.Errorf("evidence: sequence %d: %w", r.Sequence, err)
	}
	return p, nil
}

// Check returns nil when the proof holds.
func (p Proof) Check() error { return tlog.CheckRecord(p.Hashes, p.Size, p.Root, p.Index, p.Leaf) }
