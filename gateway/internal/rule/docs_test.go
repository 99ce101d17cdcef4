package rule_test

import (
	"os"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/rule"
)

// What docs/expressions.md shows can be used as it stands.
func TestTheExamplesOfTheDocumentCompile(t *testing.T) {
	text, err := os.ReadFile("../../../docs/expressions.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := fenced(t, string(text), "cel")
	for _, line := range examples {
		if _, err := rule.Compile(line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if len(examples) < 5 {
		t.Errorf("found %d examples", len(examples))
	}
	for _, line := range fenced(t, string(text), "yaml") {
		list := strings.TrimSuffix(strings.TrimPrefix(line, "send: ["), "]")
		if _, err := rule.CompileSend(strings.Split(list, ", ")); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// fenced returns the lines of the block in that language.
func fenced(t *testing.T, text, language string) []string {
	t.Helper()
	_, block, found := strings.Cut(text, "```"+language+"\n")
	block, _, closed := strings.Cut(block, "\n```")
	if !found || !closed {
		t.Fatalf("the document has no block of %s", language)
	}
	return strings.Split(block, "\n")
}
