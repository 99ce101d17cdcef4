package evidence

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"daybook.dev/internal/wal"
)

// A levelReader reads the hashes of one level file in order. Nil is closed.
type levelReader struct {
	file *os.File
	r    *bufio.Reader
}

func openLevel(dir string, level int) (*levelReader, error) {
	file, err := os.Open(levelName(dir, level))
	if err != nil {
		return nil, err
	}
	return &levelReader{file: file, r: bufio.NewReaderSize(file, 64<<10)}, nil
}

func (l *levelReader) next() (h tlog.Hash, err error) {
	if _, err := io.ReadFull(l.r, h[:]); err != nil {
		return h, fmt.Errorf("%s: hashes are missing: %w", filepath.Base(l.file.Name()), err)
	}
	return h, nil
}

func (l *levelReader) skip(n int64) error {
	if _, err := l.file.Seek(n*tlog.HashSize, io.SeekStart); err != nil {
		return err
	}
	l.r.Reset(l.file)
	return nil
}

func (l *levelReader) close() {
	if l != nil {
		_ = l.file.Close()
	}
}

// maxChanged is how many changed records are compared with each other, to tell
// those that have changed places. The others are called changed.
const maxChanged = 100_000

// A comparison walks through the records and the leaves side by side.
type comparison struct {
	*checker
	leaves  *levelReader
	newest  Checkpoint
	start   uint64 // sequence of the first record compared; zero: none yet
	next    uint64 // sequence of the next leaf
	changed []changedRecord
	removed []run
}

// A run is sequences that follow each other.
type run struct{ first, last uint64 }

// A changedRecord is one whose leaf is another.
type changedRecord struct {
	sequence   uint64
	have, want tlog.Hash
}

// records compares every record kept with its leaf.
func (c *checker) records() error {
	newest := c.result.Newest
	leaves, err := openLevel(c.dir, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // named already: the tree cannot be read
	}
	if err != nil {
		return err
	}
	defer leaves.close()
	m := &comparison{checker: c, leaves: leaves, newest: newest, next: newest.First}
	kept, err := c.Records(m.record)
	if err != nil && !errors.Is(err, errLeaves) {
		return err
	}
	if err := m.rest(kept); err != nil && !errors.Is(err, errLeaves) {
		return err
	}
	m.gone(kept)
	m.places()
	// Those before the first that a chunk states are retention's.
	c.result.Gone = min(max(kept.From, newest.First)-newest.First, uint64(newest.Size))
	return nil
}

// errLeaves ends the comparison where the leaves end; the tree was named
// already.
var errLeaves = errors.New("no more leaves")

// record compares one record.
func (m *comparison) record(r wal.Record) error {
	switch {
	case r.Sequence < m.newest.First || r.Sequence > m.newest.Last():
		return nil // not covered: from before the tree began, or not yet
	case m.start == 0:
		// What lies before is looked at in rest, which knows what is kept.
		if err := m.seek(r.Sequence); err != nil {
			return err
		}
		m.start = r.Sequence
	}
	if err := m.missing(r.Sequence); err != nil {
		return err
	}
	want, err := m.leaves.next()
	if err != nil {
		return errLeaves
	}
	m.next++
	m.result.Compared++
	switch have := leaf(r); {
	case have == want:
	case want == gap:
		m.found(Added, r.Sequence, "a record stands where none was when it was signed")
	case len(m.changed) < maxChanged:
		m.changed = append(m.changed, changedRecord{r.Sequence, have, want})
	default:
		m.found(Changed, r.Sequence, "the record is not the one that was signed")
	}
	return nil
}

func (m *comparison) seek(sequence uint64) error {
	m.next = sequence
	return m.leaves.skip(int64(sequence - m.newest.First))
}

// missing looks at the leaves of the sequences before end, which have no record.
func (m *comparison) missing(end uint64) error {
	for ; m.next < end; m.next++ {
		want, err := m.leaves.next()
		if err != nil {
			return errLeaves
		}
		if want != gap {
			m.remove(m.next)
		}
	}
	return nil
}

func (m *comparison) remove(sequence uint64) {
	if n := len(m.removed); n > 0 && m.removed[n-1].last+1 == sequence {
		m.removed[n-1].last = sequence
		return
	}
	m.removed = append(m.removed, run{sequence, sequence})
}

// gone names the records that are missing, but for those that retention has
// removed while the others were read.
func (m *comparison) gone(kept Kept) {
	for _, r := range m.removed {
		switch first := max(r.first, kept.From); {
		case first == r.last:
			m.found(Removed, first, "the record is no longer there")
		case first < r.last:
			m.found(Removed, first, "the records from here to sequence %d are no longer there", r.last)
		}
	}
}

// rest looks at what no record was compared with: the sequences that the
// journal states behind its last record and before its first, and those it no
// longer reaches.
func (m *comparison) rest(kept Kept) error {
	last := m.newest.Last()
	if kept.Next <= last {
		m.found(Truncated, kept.Next, "the journal ends here, records up to %d were signed for", last)
	}
	first := max(kept.From, m.newest.First)
	if m.start == 0 {
		if err := m.seek(first); err != nil {
			return err
		}
		return m.missing(min(kept.Next, last+1))
	}
	if err := m.missing(min(kept.Next, last+1)); err != nil {
		return err
	}
	if err := m.seek(first); err != nil {
		return err
	}
	return m.missing(m.start)
}

// places tells the records that have changed places from those that were
// changed.
func (m *comparison) places() {
	belongs := make(map[tlog.Hash]uint64, len(m.changed))
	for _, r := range m.changed {
		belongs[r.want] = r.sequence
	}
	for _, r := range m.changed {
		if at, ok := belongs[r.have]; ok {
			m.found(Reordered, r.sequence, "the record that belongs at sequence %d stands here", at)
			continue
		}
		m.found(Changed, r.sequence, "the record is not the one that was signed")
	}
}
