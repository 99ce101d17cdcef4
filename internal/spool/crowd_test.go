package spool_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"daybook.dev/internal/spool"
	"daybook.dev/internal/wal"
)

// Who looks for what the dead have left may find a directory that somebody else
// has made and not locked yet, and remove it: then it is nobody's.
func TestManyWhoComeAndGoTakeNothingFromEachOther(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				s, err := spool.Open(spool.Options{Dir: dir, Bytes: 1 << 20, FS: unsynced{}})
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Append([][]byte{[]byte("a")}); err != nil {
					t.Errorf("append: %v", err)
				}
				if _, err := s.Adopt(); err != nil {
					t.Errorf("adopt: %v", err)
				}
				if _, err := s.Purge(); err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if names, _ := os.ReadDir(dir); len(names) > 0 {
		t.Errorf("%d directories are left", len(names))
	}
}

// unsynced does not wait for the disk.
type unsynced struct{ wal.OS }

func (unsynced) SyncDir(string) error { return nil }

// lockless is a system that cannot lock.
type lockless struct{ wal.OS }

func (lockless) Lock(string, string) (io.Closer, error) {
	return nil, errors.ErrUnsupported
}

func TestASystemThatCannotLockIsLeftAsItWas(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir, FS: lockless{}})
	for range 3 {
		if err := s.Append([][]byte{[]byte("a")}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("append: %v", err)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) > 0 {
		t.Errorf("left %v", names)
	}
}
