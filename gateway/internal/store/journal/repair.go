package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// CopyOptions are what Repair and Backup need besides the directories. The zero
// value works.
type CopyOptions struct {
	// Found is told about everything damaged: by Repair in the source, by
	// Backup in the copy. Nil means nobody is.
	Found func(Damage)

	// Progress is told how many bytes of how many are done. Nil means nobody is.
	Progress func(done, total int64)

	Now func() time.Time // nil means time.Now
}

func (o CopyOptions) withDefaults() CopyOptions {
	if o.Found == nil {
		o.Found = func(Damage) {}
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Repair writes the whole records of the journal in from, with the positions
// they have, to a new journal in to, which must be empty or not there. It only
// reads from. Nil means that the copy is kept, was read again, and is clean;
// the reports are of both.
//
// What is damaged is left out and told to o.Found; the copy states it as gaps.
func Repair(from, to string, o CopyOptions) (source, repaired Report, err error) {
	o = o.withDefaults()
	s, err := newSurvey(from, o.Found)
	if err != nil {
		return Report{}, Report{}, err
	}
	lock, err := emptyTarget(to, o.Now())
	if err != nil {
		return Report{}, Report{}, err
	}
	defer func() { _ = lock.Close() }()
	if err := s.rewrite(to, o); err != nil {
		return s.report, Report{}, fmt.Errorf("journal: repair to %s: %w", to, err)
	}
	repaired, err = verifyCopy(to, o.Found)
	return s.report, repaired, err
}

// unfinished is what the folder of the chunks is called until the copy is
// whole: half of a journal must not pass for one.
const unfinished = "journal.unfinished"

// rewrite makes the copy of what s walks through.
func (s *survey) rewrite(to string, o CopyOptions) error {
	dir := filepath.Join(to, unfinished)
	if err := s.fs.Mkdir(dir); err != nil {
		return err
	}
	header := lastHeader(s.chunks)
	header.ID = 0
	w := &rewriter{fs: s.fs, header: header, files: keyFiles{fs: s.fs, dir: dir, store: header.Store}}
	defer w.drop()
	if err := s.rewriteRecords(w, o.Progress); err != nil {
		return err
	}
	w.tally = s.census.tally()
	if err := w.finish(s.next+unknown(s.chunks), o.Now()); err != nil {
		return err
	}
	if err := s.fs.Rename(dir, chunkDirectory(to)); err != nil {
		return err
	}
	return s.fs.SyncDir(to)
}

func (s *survey) rewriteRecords(w *rewriter, progress func(done, total int64)) error {
	var done, total int64
	for i := range s.chunks {
		total += s.chunks[i].Size
	}
	return s.walk(visitor{
		begin: func(c *wal.Listed) error {
			w.tally = s.census.tally()
			return w.begin(c)
		},
		record: func(r wal.Record, e store.Entry) error {
			w.tally = s.census.tally()
			return w.add(r, e.Received)
		},
		end: func(c *wal.Listed, _ uint64) error {
			done += c.Size
			progress(done, total)
			return nil
		},
	})
}

// emptyTarget makes the directory of a copy, refuses one that holds anything,
// and keeps gateways out of it until the copy is complete.
func emptyTarget(dir string, now time.Time) (io.Closer, error) {
	o := Options{Dir: dir, FS: wal.OS{}, Now: func() time.Time { return now }}
	names, err := o.FS.Names(dir)
	switch {
	case err == nil && len(names) > 0:
		return nil, fmt.Errorf("journal: %s is not empty: name a new directory", dir)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("journal: %s: %w", dir, err)
	}
	return lockTarget(o)
}

func lockTarget(o Options) (io.Closer, error) {
	if err := o.FS.Mkdir(o.Dir); err != nil {
		return nil, fmt.Errorf("journal: %s: %w", o.Dir, err)
	}
	if err := o.FS.SyncDir(filepath.Dir(filepath.Clean(o.Dir))); err != nil && !errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("journal: %s: %w", o.Dir, err)
	}
	return lockDirectory(o)
}

// verifyCopy reads a copy that was just made.
func verifyCopy(dir string, found func(Damage)) (Report, error) {
	damaged := 0
	r, err := Verify(dir, func(d Damage) {
		damaged++
		found(d)
	})
	if err == nil && damaged > 0 {
		err = fmt.Errorf("journal: %s: the copy has %d damaged places", dir, damaged)
	}
	return r, err
}
