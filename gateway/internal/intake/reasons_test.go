package intake_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// spelled are the ways in which the code spells a reason.
var spelled = regexp.MustCompile(`(?:[rR]eason\w*:?\s*(?:=|:)\s*|refusal\("[\w.]*", |failure\([\w.]+, |(?:Malformed|TooDeep|DuplicateName|InvalidUTF8|LoneSurrogate)\s*=\s*)"([a-z_]*[a-z])"`)

func TestEveryReasonIsExplained(t *testing.T) {
	const root = "../../.."
	doc, err := os.ReadFile(filepath.Join(root, "docs", "reasons.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "gen") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.HasSuffix(filepath.Dir(path), "test") { // what only tests import has reasons of its own
			return err
		}
		code, err := os.ReadFile(path)
		for _, match := range spelled.FindAllSubmatch(code, -1) {
			found++
			if !strings.Contains(string(doc), "`"+string(match[1])+"`") {
				t.Errorf("%s: docs/reasons.md does not explain %s", path, match[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 30 {
		t.Errorf("only %d reasons found in the code: do they look different now?", found)
	}
}
