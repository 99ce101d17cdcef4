// Package need is how a test asks for something the machine may not have.
//
// A test that misses it skips and says what is missing. Where a skip would hide
// a hole, as in CI, the environment variable DAYBOOK_REQUIRE names what must be
// there, separated by commas, and the test fails instead.
package need

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Command returns the path of a program and skips the test without it.
func Command(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name, err.Error())
	}
	return path
}

// Missing ends the test because what it needs is not there: it skips, or fails
// where what is required.
func Missing(t testing.TB, what, why string) {
	t.Helper()
	if required(what) {
		t.Fatalf("needs %s, which DAYBOOK_REQUIRE names: %s", what, why)
	}
	t.Skipf("SKIPPED, needs %s: %s", what, why)
}

func required(what string) bool {
	return slices.Contains(strings.Split(os.Getenv("DAYBOOK_REQUIRE"), ","), what)
}
