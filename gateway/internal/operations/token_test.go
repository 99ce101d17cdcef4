package operations_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/operations"
)

func TestTheTokenFileIsMadeOnceAndOnlyForItsOwner(t *testing.T) {
	dir := t.TempDir()
	if _, err := operations.ReadTokenFile(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it is made: %v", err)
	}
	token, err := operations.TokenFile(dir)
	if err != nil || len(token) != 43 {
		t.Fatalf("made %q, %v", token, err)
	}
	info, err := os.Stat(filepath.Join(dir, "operations.token"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	again, err := operations.TokenFile(dir)
	if err != nil || again != token {
		t.Errorf("the second time %q, %v, want %q", again, err, token)
	}
	if read, err := operations.ReadTokenFile(dir); err != nil || read != token {
		t.Errorf("read %q, %v, want %q", read, err, token)
	}
	if other, err := operations.TokenFile(t.TempDir()); err != nil || other == token {
		t.Errorf("another directory has %q, %v", other, err)
	}
}

func TestATokenFileThatProtectsNothingIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		mode    os.FileMode
		says    string
	}{
		"others may read it": {strings.Repeat("x", 43), 0o640, "others may read or write"},
		"anybody may":        {strings.Repeat("x", 43), 0o604, "others may read or write"},
		"it is empty":        {"", 0o600, "holds no token"},
		"it can be guessed":  {"password\n", 0o600, "holds no token"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "operations.token")
		if err := os.WriteFile(file, []byte(test.content), test.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, test.mode); err != nil {
			t.Fatal(err)
		}
		for _, read := range []func(string) (string, error){operations.TokenFile, operations.ReadTokenFile} {
			if token, err := read(dir); err == nil || !strings.Contains(err.Error(), test.says) || token != "" {
				t.Errorf("%s: %q, %v", name, token, err)
			}
		}
	}
	if _, err := operations.TokenFile(filepath.Join(t.TempDir(), "nowhere")); err == nil {
		t.Error("a directory that is not there holds a token")
	}
}
