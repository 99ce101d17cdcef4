package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// Inspect says what the journal in a data directory holds. Like Verify and
// Dump it only reads, and takes no lock: the directory may be a copy, or belong
// to a gateway that runs.
func Inspect(dir string) (Report, error) {
	s, err := newSurvey(dir, func(Damage) {})
	if err != nil {
		return Report{}, err
	}
	err = s.walk(visitor{})
	return s.report, err
}

// Dump calls each with every record, oldest first, until it returns an error.
// When records are damaged, the others are dumped and the error says how many
// are missing.
func Dump(dir string, each func(store.Entry) error) error {
	s, err := newSurvey(dir, func(Damage) {})
	if err != nil {
		return err
	}
	return s.dump(dir, each)
}

// DumpSince is Dump for the records received at or after t. It does not read the
// oldest chunks if all their records are older.
func DumpSince(dir string, t time.Time, each func(store.Entry) error) error {
	s, err := newSurvey(dir, func(Damage) {})
	if err != nil {
		return err
	}
	for len(s.chunks) > 1 && olderThan(&s.chunks[0], t) {
		s.chunks = s.chunks[1:]
	}
	return s.dump(dir, func(e store.Entry) error {
		if e.Received.Before(t) {
			return nil
		}
		return each(e)
	})
}

// olderThan reports whether all records of a chunk were received before t, as the
// header behind it says.
func olderThan(c *wal.Listed, t time.Time) bool {
	return c.Err == nil && c.End.Newest != 0 && time.Unix(0, c.End.Newest).Before(t)
}

func (s *survey) dump(dir string, each func(store.Entry) error) error {
	err := s.walk(visitor{record: func(_ wal.Record, e store.Entry) error { return each(e) }})
	if err == nil && s.report.Damaged > 0 {
		err = fmt.Errorf("journal: %s: %d records are damaged and left out", dir, s.report.Damaged)
	}
	return err
}

// Verify reads everything and calls found for all that is not as it was
// written: records, sequences, and key files, whose every entry is compared
// with the records. A missing key file is no damage: the next start makes it.
func Verify(dir string, found func(Damage)) (Report, error) {
	s, err := newSurvey(dir, found)
	if err != nil {
		return Report{}, err
	}
	keys := &keyset{}
	s.flawed = func(c *wal.Listed, f wal.Flaw) { found(flawIn(c, f)) }
	err = s.walk(visitor{
		begin: func(c *wal.Listed) error {
			for _, f := range c.Flaws {
				s.flawed(c, f)
			}
			return nil
		},
		record: func(r wal.Record, _ store.Entry) error {
			keys.enter(r)
			return nil
		},
		end: func(c *wal.Listed, lost uint64) error {
			defer func() { keys = &keyset{} }()
			return s.verifyKeys(chunkDirectory(dir), c, keys, lost)
		},
	})
	return s.report, err
}

// verifyKeys compares the key file of c with its records. Where records are
// lost only the file's own checksums are looked at: it knows more keys.
func (s *survey) verifyKeys(dir string, c *wal.Listed, keys *keyset, lost uint64) error {
	files := keyFiles{fs: s.fs, dir: dir, store: c.Store}
	_, err := files.open(c.ID)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case errors.Is(err, errKeyFile):
		s.found(Damage{File: keysName(c.ID), What: err.Error() + "; the next start makes it again"})
		return nil
	case err != nil:
		return fmt.Errorf("journal: %s: %w", keysName(c.ID), err)
	}
	if lost == 0 {
		same, err := files.same(c.ID, keys)
		if err != nil {
			return fmt.Errorf("journal: %s: %w", keysName(c.ID), err)
		}
		if !same {
			s.found(Damage{File: keysName(c.ID), What: "its keys are not those of the records; remove it, the next start makes it again"})
			return nil
		}
	}
	s.report.KeyFiles++
	return nil
}

// same reports whether the key file of a chunk is what s would make.
func (k keyFiles) same(chunk uint64, s *keyset) (bool, error) {
	want, _ := k.encode(chunk, s)
	file, err := k.fs.Open(k.name(chunk))
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	got := make([]byte, len(want))
	if _, err := file.ReadAt(got, 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return bytes.Equal(got, want), nil
}
