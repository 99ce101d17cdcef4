package daybook_test

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

// list returns the names in a directory.
func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// ours returns the stacks of this package's goroutines, but for the one that
// asks.
func ours() (stacks string) {
	b := make([]byte, 1<<20)
	b = b[:runtime.Stack(b, true)]
	for i, stack := range strings.Split(string(b), "\n\n") {
		if i > 0 && strings.Contains(stack, "daybook%2edev.(") && !strings.Contains(stack, "testing.tRunner") {
			stacks += stack + "\n\n"
		}
	}
	return stacks
}
