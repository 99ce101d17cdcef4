// Package evidence makes it noticeable when somebody changes a journal: it
// keeps a Merkle tree over the records and signs what the tree looks like, now
// and then. Whoever keeps such a checkpoint elsewhere can later prove that the
// journal still has every record it had, unchanged and in its place, and shows
// where it has not. docs/tamper-evidence.md says what this proves and what not.
//
// The tree is the one of RFC 6962, of golang.org/x/mod/sumdb/tlog. [Log] builds
// it behind the journal's back: never on the way of an append, only from records
// that are synced, so it lags and never leads.
package evidence

import (
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"daybook.dev/internal/wal"
)

// Directory is the folder of the data directory that holds the tree.
func Directory(data string) string { return filepath.Join(data, "evidence") }

// checkpointName is the file with the newest signed checkpoint.
const checkpointName = "checkpoint"

// verifierName is the file with the key that checks signatures, for
// convenience: who can change the journal can change it too.
const verifierName = "key.pub"

// leaf is the hash that stands for a record in the tree. Where it stands says
// which sequence it has.
func leaf(r wal.Record) tlog.Hash {
	data := make([]byte, 0, 1+len(r.Payload))
	data = append(data, r.Kind)
	return tlog.RecordHash(append(data, r.Payload...))
}

// gap is the leaf of a sequence without a record. No record has it: each has a
// kind.
var gap = tlog.RecordHash(nil)

// replaceFile makes name hold content so that nobody ever finds a part of it.
func replaceFile(name string, content []byte) error {
	temporary := name + ".tmp"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := writeSynced(file, content); err != nil {
		return err
	}
	if err := os.Rename(temporary, name); err != nil {
		return err
	}
	return wal.OS{}.SyncDir(filepath.Dir(name))
}

func writeSynced(file *os.File, content []byte) error {
	defer func() { _ = file.Close() }()
	if _, err := file.Write(content); err != nil {
		return err
	}
	return file.Sync()
}
