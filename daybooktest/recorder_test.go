package daybooktest_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/daybooktest"
)

// A spy is a test whose failure is looked at.
type spy struct {
	testing.TB
	said string
}

type stopped struct{}

func (s *spy) Helper()                           {}
func (s *spy) Errorf(format string, args ...any) { s.said += fmt.Sprintf(format, args...) }
func (s *spy) Fatalf(format string, args ...any) { s.Errorf(format, args...); panic(stopped{}) }
func (s *spy) Fatal(args ...any)                 { s.said += fmt.Sprint(args...); panic(stopped{}) }

// fails returns what the test says when f fails it.
func (s *spy) fails(t *testing.T, f func()) (said string) {
	t.Helper()
	s.said = ""
	defer func() {
		if p := recover(); p != nil && p != (stopped{}) {
			panic(p)
		}
		if s.said == "" {
			t.Error("it did not fail the test")
		}
		said = s.said
	}()
	f()
	return s.said
}

func TestARecorderKeepsWhatIsRecordedAtOnce(t *testing.T) {
	t.Setenv("DO_NOT_TRACK", "1")
	rec := daybooktest.New(t)
	rec.WithUserID("ann").Record(t.Context(), daybook.Behavioral, "login-success", slog.Bool("sso", true), slog.Int64("n", 9007199254740993))
	e := rec.Require("login-success", slog.Bool("sso", true), slog.Int64("n", 9007199254740993))
	if e.Actor != "ann" || e.Type != daybook.Behavioral || e.ID == "" {
		t.Errorf("event %+v", e)
	}
	rec.RequireNone("login-failed")
	if err := rec.Enqueue(t.Context(), daybook.Event{Name: "queued"}); err != nil {
		t.Error(err)
	}
	outcomes, err := rec.Send(t.Context(), daybook.Event{Name: "sent"})
	if err != nil || outcomes[0].Status != daybook.Stored {
		t.Errorf("Send said %v, %v", outcomes, err)
	}
	rec.Require("queued")
	rec.Require("sent")
	rec.Reset()
	if n := len(rec.Events()); n != 0 {
		t.Errorf("%d events after Reset", n)
	}
}

func TestAFailedRequirementSaysWhatIsDifferent(t *testing.T) {
	s := &spy{TB: t}
	rec := daybooktest.New(s)
	if got := s.fails(t, func() { rec.Require("a") }); !strings.Contains(got, `no event "a"`) || !strings.Contains(got, "nothing was recorded") {
		t.Errorf("it says %s", got)
	}
	rec.Record(t.Context(), daybook.Log, "a", slog.Int("n", 1), slog.String("s", "x"))
	rec.Record(t.Context(), daybook.Log, "other")
	got := s.fails(t, func() { rec.Require("a", slog.Int("n", 2), slog.String("s", "x"), slog.Bool("b", true)) })
	want := `no event "a" with n=2 s="x" b=true
  event 1 of that name:
    n: want 2, got 1
    b: want true, absent
  recorded were:
    a (log) {"n":1,"s":"x"}
    other (log)`
	if got != want {
		t.Errorf("it says\n%s\nwant\n%s", got, want)
	}
	if got := s.fails(t, func() { rec.RequireNone("other") }); !strings.Contains(got, "other (log)") {
		t.Errorf("it says %s", got)
	}
}

func TestNameAndTypeExchangedFailTheTest(t *testing.T) {
	s := &spy{TB: t}
	rec := daybooktest.New(s)
	if got := s.fails(t, func() { rec.Record(t.Context(), "login-success", "behavioral") }); !strings.Contains(got, "exchanged") {
		t.Errorf("it says %s", got)
	}
}
