package query_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"daybook.dev/gateway/internal/query"
)

func openPublishers(t *testing.T, path string) *query.Publishers {
	t.Helper()
	p, err := query.OpenPublishers(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestPublishersAreRememberedAcrossRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "publishers")
	p := openPublishers(t, path)
	for _, scope := range []string{"b/2", "a/1", "b/2", "a\nline break"} {
		if err := p.Note(scope); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Note("too late to be kept"); err != nil {
		t.Fatal(err)
	}
	again := openPublishers(t, path).Scopes()
	if want := []string{"a\nline break", "a/1", "b/2"}; !slices.Equal(again, want) {
		t.Errorf("remembered %q, want %q", again, want)
	}
}

func TestAFileThatWasCutShortIsReadAsFarAsItGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "publishers")
	if err := os.WriteFile(path, []byte("\"a/1\"\n\x00\n\"b/2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := openPublishers(t, path).Scopes(); !slices.Equal(got, []string{"a/1"}) {
		t.Errorf("remembered %q", got)
	}
}

func TestPublishersAreBounded(t *testing.T) {
	p := openPublishers(t, filepath.Join(t.TempDir(), "publishers"))
	for i := range 10_100 {
		if err := p.Note(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.Scopes()); n != 10_000 {
		t.Errorf("%d are remembered", n)
	}
}
