package caller_test

import (
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
)

func TestAStarStandsForAnyText(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"signup", "signup", true},
		{"signup", "signups", false},
		{"signup", "Signup", false},
		{"*", "anything", true},
		{"*", "", true},
		{"page-*", "page-view", true},
		{"page-*", "page-", true},
		{"page-*", "home-page-view", false},
		{"*-view", "page-view", true},
		{"*-view", "page-views", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"**", "x", true},
		{"a.*", "a.b/c[d", true},
		{"a?", "ab", false},
		{"é*", "été", true},
		{"é*", "ète", false}, // the same first byte
	} {
		who := sender(t, "never", c.pattern)
		if err := who.MaySend(c.name); (err == nil) != c.want {
			t.Errorf("%q fits %q: %v, want %v", c.pattern, c.name, err == nil, c.want)
		}
	}
	err := sender(t, "page-*").MaySend("signup")
	if err == nil || err.Code != daybook.Denied || err.Reason != caller.ReasonEventNotAllowed || err.Field != "event_name" {
		t.Errorf("refused with %+v", err)
	}
}

// sender is a caller that may send such events.
func sender(t testing.TB, patterns ...string) caller.Caller {
	t.Helper()
	r := registry(t, caller.Config{Rows: []caller.Row{{Name: "anonymous", Events: patterns}}})
	who, err := r.Authenticate("http", request())
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func TestAHostilePatternTakesNoTime(t *testing.T) {
	who := sender(t, strings.Repeat("*a", 200)+"b")
	begin := time.Now()
	if who.MaySend(strings.Repeat("a", 256)) == nil {
		t.Error("it does not end with b")
	}
	if took := time.Since(begin); took > time.Minute { // trying every way would take longer than the sun lasts
		t.Errorf("one name took %v", took)
	}
}
