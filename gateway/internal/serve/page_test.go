package serve_test

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the generated pages of docs as they are now")

// requirePage compares a table with the page of docs that people read. test is
// what makes it, as the page says.
func requirePage(t *testing.T, name, test, table string) {
	t.Helper()
	page := "../../../docs/" + name + ".md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	mark := "<!-- generated: go test ./gateway/internal/serve -run " + test + " -update -->\n"
	head, _, found := bytes.Cut(text, []byte(mark))
	want := string(head) + mark + table
	switch {
	case !found:
		t.Fatalf("%s has no line %s", page, mark)
	case *update:
		if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	case want != string(text):
		t.Errorf("%s is not what the gateway does: run this test with -update and look at the difference", page)
	}
}
