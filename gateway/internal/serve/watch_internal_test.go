package serve

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAChangeOfAFileIsNoticedOnce(t *testing.T) {
	dir := t.TempDir()
	one, other := filepath.Join(dir, "one"), filepath.Join(dir, "other")
	write := func(path, text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	day := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	write(one, "a", day)
	var w FileWatch
	w.note(one)
	w.note(other)
	for _, step := range []struct {
		name    string
		do      func()
		changed bool
	}{
		{"nothing", func() {}, false},
		{"later", func() { write(one, "b", day.Add(time.Second)) }, true},
		{"longer", func() { write(one, "bb", day.Add(time.Second)) }, true},
		{"replaced by one of the same time and size", func() {
			write(dir+"/next", "cc", day.Add(time.Second))
			if err := os.Rename(dir+"/next", one); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"read once more", func() {
			write(one, "d", day)
			w.note(one)
		}, true},
		{"made readable", func() {
			if err := os.Chmod(one, 0o644); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"removed", func() { _ = os.Remove(one) }, false},
		{"there again", func() { write(one, "cc", day.Add(2*time.Second)) }, true},
		{"made", func() { write(other, "a", day) }, true},
		{"nothing any more", func() {}, false},
	} {
		step.do()
		if got := w.changed(); got != step.changed {
			t.Errorf("%s: changed = %v, want %v", step.name, got, step.changed)
		}
	}
}

// A change between reading and watching would be noticed by nobody.
func TestAChangeJustAfterTheFileWasReadIsNoticed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "daybook.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("limits: {batch: 7}")
	var w FileWatch
	_, _, err := Load(Inputs{File: file, Watch: &w, ReadFile: func(path string) ([]byte, error) {
		text, err := os.ReadFile(path)
		write("limits: {batch: 77}")
		return text, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !w.changed() || w.changed() {
		t.Error("the change was not noticed, or twice")
	}
}
