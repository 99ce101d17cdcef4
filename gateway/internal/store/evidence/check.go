package evidence

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"daybook.dev/internal/wal"
)

// A Verdict names what was done to a journal.
type Verdict string

// What a check finds.
const (
	Changed   Verdict = "changed"    // a record says something else than it did
	Removed   Verdict = "removed"    // a record is no longer there
	Reordered Verdict = "reordered"  // a record stands in the place of another
	Added     Verdict = "added"      // a record stands where none was
	Truncated Verdict = "truncated"  // the journal or its tree ends before what was signed
	Rewritten Verdict = "rewritten"  // the tree is not an extension of the one that was signed
	Swapped   Verdict = "checkpoint" // a checkpoint is not what it is said to be
	Hashes    Verdict = "hashes"     // the files of the tree are damaged
)

// A Finding is one difference between a journal and what was signed.
type Finding struct {
	Verdict  Verdict
	Sequence uint64 // of the record; 0 = none in particular
	What     string // for people
}

// String says what was found.
func (f Finding) String() string {
	if f.Sequence == 0 {
		return fmt.Sprintf("%s: %s", f.Verdict, f.What)
	}
	return fmt.Sprintf("%s: sequence %d: %s", f.Verdict, f.Sequence, f.What)
}

// Kept says which sequences a journal answers for. What retention has removed
// lies before From.
type Kept struct {
	From uint64 // the first that a chunk states
	Next uint64 // behind the last
}

// A Check compares a journal with a checkpoint.
type Check struct {
	Data       string // the data directory
	Checkpoint []byte // signed; nil means the newest in the data directory

	// Key checks the signatures. Empty means the one in the data directory,
	// which whoever changed the journal may have exchanged.
	Key string

	// Records reads the journal: every whole record in order.
	Records func(each func(wal.Record) error) (Kept, error)

	Found func(Finding)
}

// A Result is what a check compared.
type Result struct {
	Checkpoint Checkpoint // the one that was asked about
	Newest     Checkpoint // the one in the data directory
	Compared   uint64     // records whose bytes were compared
	Gone       uint64     // covered, and no longer kept: only their hashes are left
	Findings   int
}

// Run compares. The error is only for what could not be read; every difference
// goes to Found.
func (k Check) Run() (Result, error) {
	c := &checker{Check: k, dir: Directory(k.Data)}
	if err := c.trust(); err != nil {
		return c.result, fmt.Errorf("evidence: %s: %w", c.dir, err)
	}
	if !c.openCheckpoints() {
		return c.result, nil
	}
	if c.tree() {
		c.extension()
	}
	err := c.records()
	if err != nil {
		err = fmt.Errorf("evidence: %s: %w", c.dir, err)
	}
	return c.result, err
}

// A checker is one run of a Check.
type checker struct {
	Check
	dir    string
	result Result
}

func (c *checker) found(v Verdict, sequence uint64, format string, args ...any) {
	c.result.Findings++
	if c.Found != nil {
		c.Found(Finding{Verdict: v, Sequence: sequence, What: fmt.Sprintf(format, args...)})
	}
}

// trust reads the key and the checkpoint where none was given.
func (c *checker) trust() error {
	if c.Key == "" {
		key, err := os.ReadFile(filepath.Join(c.dir, verifierName))
		if err != nil {
			return err
		}
		c.Key = string(key)
	}
	if c.Checkpoint != nil {
		return nil
	}
	signed, err := os.ReadFile(filepath.Join(c.dir, checkpointName))
	c.Checkpoint = signed
	return err
}

// openCheckpoints opens the checkpoint asked about and the newest one. False
// means that there is nothing to compare with.
func (c *checker) openCheckpoints() bool {
	given, err := OpenCheckpoint(c.Checkpoint, c.Key)
	if err != nil {
		c.found(Swapped, 0, "the checkpoint given is %v", err)
		return false
	}
	c.result.Checkpoint, c.result.Newest = given, given
	signed, err := os.ReadFile(filepath.Join(c.dir, checkpointName))
	if err == nil {
		c.result.Newest, err = OpenCheckpoint(signed, c.Key)
	}
	newest := c.result.Newest
	switch {
	case err != nil:
		c.found(Swapped, 0, "the journal's own checkpoint is not to be trusted: %v", err)
		c.result.Newest = given
	case given.Journal != newest.Journal:
		c.found(Swapped, 0, "it is about journal %s, this one is %s", given.Journal, newest.Journal)
		return false
	case given.First != newest.First:
		c.found(Rewritten, 0, "the tree began with sequence %d, now it begins with %d", given.First, newest.First)
		return false
	case given.Size > newest.Size:
		c.found(Truncated, 0, "records up to %d were signed for, the tree now ends at %d%s", given.Last(), newest.Last(), restored(given, newest))
	}
	return true
}

// restored explains a shorter tree where the journal itself says why.
func restored(given, newest Checkpoint) string {
	if newest.Epoch <= given.Epoch {
		return ""
	}
	return fmt.Sprintf(" (the journal was restored from a copy since: epoch %d, then %d)", given.Epoch, newest.Epoch)
}

// tree computes the whole tree again from its leaves. False means that the
// files do not hold it.
func (c *checker) tree() bool {
	newest := c.result.Newest
	if err := recompute(c.dir, newest); err != nil {
		c.found(Hashes, 0, "%v", err)
		return false
	}
	return true
}

// extension proves that the newest tree begins with the one that was signed.
func (c *checker) extension() {
	given, newest := c.result.Checkpoint, c.result.Newest
	if given.Size > newest.Size {
		return // named already
	}
	proof, err := tlog.ProveTree(newest.Size, given.Size, hashes{c.dir})
	if err == nil {
		err = tlog.CheckTree(proof, newest.Size, newest.Root, given.Size, given.Root)
	}
	if err != nil {
		c.found(Rewritten, 0, "the tree is not an extension of the one that was signed: %v", err)
	}
}
