package spool_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"daybook.dev/internal/spool"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

func TestAFileThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	disk := waltest.NewDisk(1)
	s := open(t, spool.Options{Dir: "dir", FS: disk, Bytes: 256 << 10})
	s.append(t, "first "+strings.Repeat("x", 32<<10)) // a chunk
	s.append(t, "second")
	disk.Fail(func(op waltest.Operation) error {
		if op.Kind == waltest.Read && strings.HasSuffix(op.Name, wal.ChunkName(1)) {
			return syscall.EIO
		}
		return nil
	})
	b, err := s.Next(9, 1<<20, nil)
	if err != nil || string(b.Data) != "second\n" {
		t.Fatalf("read %.20q, %v", b.Data, err)
	}
	s.Done(b)
	if _, err := s.Next(9, 1<<20, nil); !errors.Is(err, syscall.EIO) {
		t.Errorf("nothing else is left, and it says %v", err)
	}
	disk.Fail(nil)
	if got := s.rest(t); !strings.HasPrefix(got, "first") || s.Len() != 0 || len(s.evicted) != 0 {
		t.Errorf("afterwards %.10q, %d left, evicted %v", got, s.Len(), s.evicted)
	}
}

func TestADirectoryThatSomebodyRemovedIsCountedAndMadeAnew(t *testing.T) {
	for _, removed := range []string{".", "..", "*/*.chunk"} {
		t.Run(removed, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "upper", "dir")
			s := open(t, spool.Options{Dir: dir, Bytes: 256 << 10})
			s.append(t, strings.Repeat("x", 32<<10)) // a chunk
			s.append(t, "a", "b")
			names, _ := filepath.Glob(filepath.Join(dir, removed))
			if len(names) == 0 {
				t.Fatal("nothing to remove")
			}
			for _, name := range names {
				if err := os.RemoveAll(name); err != nil {
					t.Fatal(err)
				}
			}
			s.append(t, "c") // not to a file that nobody will find
			if got := s.rest(t); got != "c" || s.evicted[spool.Damaged] != 3 || s.Len() != 0 {
				t.Errorf("read %q, evicted %v, %d left", got, s.evicted, s.Len())
			}
			s.append(t, "d")
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			next := open(t, spool.Options{Dir: dir})
			next.adopt(t, 1)
			if got := next.rest(t); got != "d" {
				t.Errorf("the next process reads %q", got)
			}
		})
	}
}
