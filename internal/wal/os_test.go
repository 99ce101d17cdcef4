package wal_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"daybook.dev/internal/wal"
)

func TestASecondLockIsRefusedWithTheNoteOfTheFirst(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	first, err := wal.OS{}.Lock(name, "process 1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = wal.OS{}.Lock(name, "process 2")
	if locked, ok := errors.AsType[*wal.LockedError](err); !ok || locked.Holder != "process 1" {
		t.Errorf("got %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := wal.OS{}.Lock(name, "3")
	if err != nil {
		t.Fatal("the lock was not given back:", err)
	}
	if note, _ := os.ReadFile(name); string(note) != "3\n" {
		t.Errorf("the note is %q", note)
	}
	_ = third.Close()
}

func TestCreateDoesNotReplaceAFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	f, err := wal.OS{}.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if _, err := (wal.OS{}).Create(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
}

func TestFileSystemsInMemoryAreKnown(t *testing.T) {
	const memory = "/dev/shm"
	if _, err := os.Stat(memory); err != nil {
		t.Skip("no file system in memory at", memory)
	}
	v, err := wal.OS{}.Volume(memory)
	if err != nil {
		t.Fatal(err)
	}
	if !v.Memory || v.Kind != "tmpfs" {
		t.Errorf("got %+v", v)
	}
}
