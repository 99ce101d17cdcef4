package wal_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// before and after are longer than a page, so that a part of one can survive.
var (
	before = strings.Repeat("before ", 2000)
	after  = strings.Repeat("after ", 3000)
)

func TestAFileIsReplacedAsAWhole(t *testing.T) {
	for _, keep := range []waltest.Keep{waltest.Nothing, waltest.Everything, waltest.Pages, waltest.Sectors} {
		for n := 1; ; n++ {
			disk := waltest.NewDisk(uint64(n))
			if err := disk.Mkdir("/data"); err != nil {
				t.Fatal(err)
			}
			if err := disk.SyncDir("/"); err != nil {
				t.Fatal(err)
			}
			if err := wal.ReplaceFile(disk, "/data/file", []byte(before)); err != nil {
				t.Fatal(err)
			}
			disk.CutAfter(n)
			err := wal.ReplaceFile(disk, "/data/file", []byte(after))
			whole := !disk.Cut()
			content, readErr := wal.ReadFile(disk.Restart(keep), "/data/file", 1<<20)
			if readErr != nil {
				t.Fatalf("cut at %d, keep %d: %v", n, keep, readErr)
			}
			if string(content) != after && (err == nil || string(content) != before) {
				t.Fatalf("cut at %d, keep %d: %v, and the file holds %.20q (%d bytes)", n, keep, err, content, len(content))
			}
			if whole {
				break
			}
		}
	}
}

func TestWhatAnEarlierReplacementLeftIsNoObstacle(t *testing.T) {
	disk := waltest.NewDisk(1)
	fails := errors.New("input/output error")
	for _, kind := range []waltest.Kind{waltest.Write, waltest.Sync, waltest.Rename, waltest.SyncDir} {
		disk.Fail(func(op waltest.Operation) error {
			if op.Kind == kind {
				return fails
			}
			return nil
		})
		if err := wal.ReplaceFile(disk, "/file", []byte("lost")); !errors.Is(err, fails) {
			t.Errorf("a failed %s: %v", kind, err)
		}
		disk.Fail(nil)
		if err := wal.ReplaceFile(disk, "/file", []byte(kind)); err != nil {
			t.Errorf("after a failed %s: %v", kind, err)
		}
		if content, err := wal.ReadFile(disk, "/file", 100); err != nil || string(content) != string(kind) {
			t.Errorf("after a failed %s it holds %q, %v", kind, content, err)
		}
	}
}

func TestReadingAFileIsBounded(t *testing.T) {
	disk := waltest.NewDisk(1)
	if _, err := wal.ReadFile(disk, "/file", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := wal.ReplaceFile(disk, "/file", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	if content, err := wal.ReadFile(disk, "/file", 10); err != nil || string(content) != "0123456789" {
		t.Errorf("read %q, %v", content, err)
	}
	if _, err := wal.ReadFile(disk, "/file", 9); err == nil {
		t.Error("a file longer than it may be was read")
	}
	if err := wal.ReplaceFile(wal.OS{}, t.TempDir()+"/file", nil); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}
