package need_test

import (
	"testing"

	"daybook.dev/internal/need"
)

// A spy notes how a test ends.
type spy struct {
	testing.TB

	skipped, failed bool
}

func (s *spy) Helper()               {}
func (s *spy) Skipf(string, ...any)  { s.skipped = true }
func (s *spy) Fatalf(string, ...any) { s.failed = true; panic(s) } // a test's Fatalf does not return either

func command(t *testing.T, name string) (s *spy, path string) {
	t.Helper()
	s = &spy{TB: t}
	defer func() {
		if r := recover(); r != nil && r != s {
			panic(r)
		}
	}()
	return s, need.Command(s, name)
}

func TestWhatIsMissingSkipsUnlessItIsRequired(t *testing.T) {
	t.Run("a program that is there is found", func(t *testing.T) {
		if s, path := command(t, "go"); path == "" || s.skipped || s.failed {
			t.Errorf("path %q, skipped %t, failed %t", path, s.skipped, s.failed)
		}
	})
	t.Run("a missing one skips", func(t *testing.T) {
		t.Setenv("DAYBOOK_REQUIRE", "go,other")
		if s, _ := command(t, "no-such-program"); !s.skipped || s.failed {
			t.Errorf("skipped %t, failed %t", s.skipped, s.failed)
		}
	})
	t.Run("a missing one that is required fails", func(t *testing.T) {
		t.Setenv("DAYBOOK_REQUIRE", "go,no-such-program")
		if s, _ := command(t, "no-such-program"); s.skipped || !s.failed {
			t.Errorf("skipped %t, failed %t", s.skipped, s.failed)
		}
	})
}
