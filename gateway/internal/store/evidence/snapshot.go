package evidence

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"daybook.dev/internal/wal"
)

// A Snapshot is the tree of a data directory at one moment. What the files hold
// of it never changes, so it can be copied while the tree grows.
type Snapshot struct {
	dir      string
	signed   []byte
	verifier []byte
	tree     Checkpoint
}

// Take takes the newest checkpoint. False means that no records are covered.
//
// Take it before the journal is copied: then the copy's tree lags behind its
// journal, and never leads.
func Take(data string) (s Snapshot, ok bool, err error) {
	s.dir = Directory(data)
	s.signed, err = os.ReadFile(filepath.Join(s.dir, checkpointName))
	if errors.Is(err, os.ErrNotExist) {
		return s, false, nil
	}
	if err == nil {
		s.verifier, err = os.ReadFile(filepath.Join(s.dir, verifierName))
	}
	if err == nil {
		s.tree, err = OpenCheckpoint(s.signed, string(s.verifier))
	}
	if err != nil {
		return s, false, fmt.Errorf("evidence: %s: %w", s.dir, err)
	}
	return s, true, nil
}

// CopyTo writes the tree to another data directory, in the place of an earlier
// copy. Nil means that it is kept and was computed again from its leaves.
func (s Snapshot) CopyTo(data string) error {
	to := Directory(data)
	if err := s.copyTo(to); err != nil {
		return fmt.Errorf("evidence: copy to %s: %w", to, err)
	}
	return nil
}

func (s Snapshot) copyTo(to string) error {
	if err := (wal.OS{}).Mkdir(to); err != nil {
		return err
	}
	for level := range maxLevels {
		if err := s.copyLevel(to, level); err != nil {
			return err
		}
	}
	if err := recompute(to, s.tree); err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(to, verifierName), s.verifier); err != nil {
		return err
	}
	return replaceFile(filepath.Join(to, checkpointName), s.signed)
}

func (s Snapshot) copyLevel(to string, level int) error {
	size := count(s.tree.Size, level) * int64(len(s.tree.Root))
	if size == 0 {
		return nil
	}
	from, err := os.Open(levelName(s.dir, level))
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	name := levelName(to, level)
	file, err := os.OpenFile(name+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if _, err := io.CopyN(file, from, size); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(name+".tmp", name); err != nil {
		return err
	}
	return wal.OS{}.SyncDir(to)
}
