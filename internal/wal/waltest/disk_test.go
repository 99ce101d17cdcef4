package waltest_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"testing"

	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// written makes the file /a, syncs it and its name, and returns it open.
func written(t *testing.T, d *waltest.Disk, content string) wal.File {
	t.Helper()
	f, err := d.Create("/a")
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, content, 0)
	if err := errors.Join(f.Sync(), d.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	return f
}

func put(t *testing.T, f wal.File, content string, offset int64) {
	t.Helper()
	if _, err := f.WriteAt([]byte(content), offset); err != nil {
		t.Fatal(err)
	}
}

// content returns what is in a file, or "-" when there is none.
func content(t *testing.T, d *waltest.Disk, name string) string {
	t.Helper()
	f, err := d.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "-"
	}
	size, sizeErr := f.Size()
	b := make([]byte, size)
	_, readErr := f.ReadAt(b, 0)
	if err := errors.Join(err, sizeErr, readErr); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return string(b)
}

func TestOnlyWhatWasSyncedSurvivesAPowerCut(t *testing.T) {
	d := waltest.NewDisk(1)
	f := written(t, d, "synced")
	put(t, f, " and not", 6)
	if _, err := d.Create("/b"); err != nil {
		t.Fatal(err)
	}
	if err := d.Rename("/a", "/c"); err != nil {
		t.Fatal(err)
	}
	if got := content(t, d, "/c"); got != "synced and not" {
		t.Errorf("before the cut /c is %q", got)
	}
	left := d.Restart(waltest.Nothing)
	for name, want := range map[string]string{"/a": "synced", "/b": "-", "/c": "-"} {
		if got := content(t, left, name); got != want {
			t.Errorf("after it %s is %q, want %q", name, got, want)
		}
	}
	if err := f.Sync(); !errors.Is(err, waltest.ErrPowerCut) {
		t.Errorf("a call after the cut: %v", err)
	}
}

func TestWhatAProcessLeavesIsThereAndStillNotSynced(t *testing.T) {
	d := waltest.NewDisk(1)
	put(t, written(t, d, "synced"), "written", 0)
	next := d.Restart(waltest.Everything)
	if got := content(t, next, "/a"); got != "written" {
		t.Errorf("the next process reads %q", got)
	}
	if got := content(t, next.Restart(waltest.Nothing), "/a"); got != "synced" {
		t.Errorf("after a power cut it is %q", got)
	}
}

// Of two pages and a name, each combination survives at times.
func TestEveryPartOfTheUnsyncedSurvivesOrNot(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(400) {
		d := waltest.NewDisk(seed)
		f := written(t, d, "")
		put(t, f, string(bytes.Repeat([]byte{'x'}, 4096)), 0)
		put(t, f, string(bytes.Repeat([]byte{'y'}, 4096)), 4096)
		if _, err := d.Create("/b"); err != nil {
			t.Fatal(err)
		}
		left := d.Restart(waltest.Pages)
		b := []byte(content(t, left, "/a"))
		state := content(t, left, "/b")
		for at := 0; at < len(b); at += 4096 {
			if !slices.Equal(b[at:at+4096], bytes.Repeat(b[at:at+1], 4096)) {
				t.Fatal("a page is torn")
			}
			state += string(b[at : at+1])
		}
		seen[state] = true
	}
	for _, want := range []string{"", "-", "x", "-x", "xy", "-xy", "\x00y", "-\x00y"} {
		if !seen[want] {
			t.Errorf("%q never survived, only %v", want, seen)
		}
	}
}

func TestAFailedSyncLosesForGoodWhatReadsStillSee(t *testing.T) {
	lost := false
	for seed := range uint64(50) {
		d := waltest.NewDisk(seed)
		f := written(t, d, "before")
		put(t, f, "behind", 0)
		d.Fail(func(op waltest.Operation) error {
			if op.Kind == waltest.Sync {
				return syscall.EIO
			}
			return nil
		})
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		d.Fail(nil)
		if err := f.Sync(); err != nil {
			t.Fatal("a second sync has to claim success:", err)
		}
		if got := content(t, d, "/a"); got != "behind" {
			t.Fatalf("reads see %q", got)
		}
		lost = lost || content(t, d.Restart(waltest.Nothing), "/a") == "before"
	}
	if !lost {
		t.Error("nothing was ever lost")
	}
}

func TestTheLastOperationBeforeACutIsDone(t *testing.T) {
	d := waltest.NewDisk(1)
	f := written(t, d, "")
	d.CutAfter(2)
	put(t, f, "kept", 0)
	if err := f.Sync(); err != nil || !d.Cut() {
		t.Errorf("%v, cut %t", err, d.Cut())
	}
	if got := content(t, d.Restart(waltest.Nothing), "/a"); got != "kept" {
		t.Errorf("left is %q", got)
	}
}

func TestALimitedDiskTakesWhatFits(t *testing.T) {
	d := waltest.NewDisk(1)
	f := written(t, d, "1234")
	d.Limit(6)
	if n, err := f.WriteAt([]byte("5678"), 4); n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if v, err := d.Volume("/"); err != nil || v.Free != 0 {
		t.Errorf("%d bytes are free, %v", v.Free, err)
	}
}
