package deliver_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
)

func TestADirectoryWithoutCursorsIsCopiedWithoutAny(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for range 2 { // none is there at first
		cursors, err := deliver.TakeCursors(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := cursors.CopyTo(to); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(to, "deliver")); err == nil {
		t.Error("a copy without cursors has a folder for them")
	}
}

func TestADamagedCursorIsNotCopied(t *testing.T) {
	from := t.TempDir()
	if err := os.Mkdir(filepath.Join(from, "deliver"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(deliver.CursorFile(from, "book"), []byte("daybook-cursor 1 0 00000000\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := deliver.TakeCursors(from); err == nil {
		t.Error("it is taken")
	}
}

func TestACursorThatIsBeingReplacedIsCopiedAsItWas(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	j := openJournal(t, from)
	storeEvents(t, j, "a", 3)
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	deliverAll(t, from, &delivertest.Sink{}, 3)
	name := deliver.CursorFile(from, "out")
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name, name+".old"); err != nil { // a save is that far
		t.Fatal(err)
	}
	cursors, err := deliver.TakeCursors(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := cursors.CopyTo(to); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(deliver.CursorFile(to, "out")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("copied %q, %v", got, err)
	}
}
