package attempt_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
)

func events(ids ...string) []daybook.Event {
	var all []daybook.Event
	for _, id := range ids {
		all = append(all, daybook.Event{ID: id})
	}
	return all
}

func ids(events []daybook.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, e.ID)
	}
	return all
}

func refusal(code daybook.Code) error { return &daybook.Error{Code: code, Message: "no"} }

// classes returns the class of each result.
func classes(results []error) []attempt.Class {
	var all []attempt.Class
	for _, err := range results {
		all = append(all, attempt.ClassOf(err))
	}
	return all
}

func TestEveryCodeHasTheClassOfTheTableThatSinksKeepTo(t *testing.T) {
	for code, want := range map[daybook.Code]attempt.Class{
		daybook.Invalid: attempt.Permanent, daybook.TooLarge: attempt.Permanent, daybook.Conflict: attempt.Permanent,
		daybook.Unauthenticated: attempt.Misconfigured, daybook.Denied: attempt.Misconfigured, daybook.Unimplemented: attempt.Misconfigured,
		daybook.Exhausted: attempt.Throttled, daybook.Unavailable: attempt.Transient, daybook.Internal: attempt.Transient,
	} {
		if got := attempt.ClassOf(refusal(code)); got != want {
			t.Errorf("%v is %v, want %v", code, got, want)
		}
	}
	if got := attempt.ClassOf(nil); got != attempt.Taken {
		t.Errorf("nil is %v", got)
	}
	if got := attempt.ClassOf(errors.New("who knows")); got != attempt.Transient {
		t.Errorf("an error without a code is %v", got)
	}
}

func TestAnEventThatIsRefusedUnnamedIsFoundByHalving(t *testing.T) {
	var calls [][]string
	write := func(_ context.Context, _ string, e []daybook.Event) error {
		calls = append(calls, ids(e))
		if slices.Contains(ids(e), "c") {
			return refusal(daybook.Invalid)
		}
		return nil
	}
	got := classes(attempt.Of(t.Context(), write, "d", events("a", "b", "c", "d", "e", "f", "g", "h"), time.Minute))
	want := []attempt.Class{0, 0, attempt.Permanent, 0, 0, 0, 0, 0}
	if !slices.Equal(got, want) {
		t.Errorf("classes %v, want %v", got, want)
	}
	if len(calls) != 7 {
		t.Errorf("it took %d calls: %v", len(calls), calls)
	}
}

func TestWhatADestinationNamesIsNotTriedTwice(t *testing.T) {
	calls := 0
	write := func(context.Context, string, []daybook.Event) error {
		calls++
		return &daybook.PartialError{Failed: []daybook.Outcome{
			{ID: "b", Status: daybook.Refused, Err: refusal(daybook.Invalid)},
			{ID: "d", Status: daybook.Failed},
			{ID: "e", Status: daybook.Refused, Reason: "bad_row"},
		}}
	}
	got := classes(attempt.Of(t.Context(), write, "d", events("a", "b", "c", "d", "e"), time.Minute))
	if want := []attempt.Class{0, attempt.Permanent, 0, attempt.Transient, attempt.Permanent}; !slices.Equal(got, want) || calls != 1 {
		t.Errorf("classes %v after %d calls, want %v after 1", got, calls, want)
	}
}

func TestADestinationThatNamesOtherEventsIsNotBelieved(t *testing.T) {
	for _, failed := range [][]daybook.Outcome{nil, {{ID: "elsewhere"}, {ID: "a"}}} {
		write := func(context.Context, string, []daybook.Event) error { return &daybook.PartialError{Failed: failed} }
		got := classes(attempt.Of(t.Context(), write, "d", events("a", "b"), time.Minute))
		if want := []attempt.Class{attempt.Transient, attempt.Transient}; !slices.Equal(got, want) {
			t.Errorf("after %v classes %v, want %v", failed, got, want)
		}
	}
}

func TestADestinationThatFailsIsNotTriedAgain(t *testing.T) {
	calls := 0
	write := func(_ context.Context, _ string, e []daybook.Event) error {
		if calls++; calls == 1 {
			return refusal(daybook.Invalid) // of all
		}
		return refusal(daybook.Denied)
	}
	results := attempt.Of(t.Context(), write, "d", events("a", "b", "c", "d"), time.Minute)
	if calls != 2 {
		t.Errorf("%d calls, want 2", calls)
	}
	if attempt.ClassOf(results[0]) != attempt.Misconfigured || !errors.Is(results[3], attempt.ErrNotTried) {
		t.Errorf("results %v", results)
	}
}

func TestEventsOfTwoCallersWithOneIDAreNotMistakenForEachOther(t *testing.T) {
	write := func(_ context.Context, _ string, e []daybook.Event) error {
		for i := range e {
			if string(e[i].Metadata) == "bad" {
				return &daybook.PartialError{Failed: []daybook.Outcome{{ID: e[i].ID, Err: refusal(daybook.Invalid)}}}
			}
		}
		return nil
	}
	all := events("a", "same", "b", "same", "c")
	all[3].Metadata = []byte("bad")
	got := classes(attempt.Of(t.Context(), write, "d", all, time.Minute))
	if want := []attempt.Class{0, 0, 0, attempt.Permanent, 0}; !slices.Equal(got, want) {
		t.Errorf("classes %v, want %v", got, want)
	}
}

func TestAnAttemptEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(ctx context.Context, _ string, _ []daybook.Event) error {
			<-ctx.Done()
			return ctx.Err()
		}
		begin := time.Now()
		results := attempt.Of(t.Context(), hangs, "d", events("a", "b"), 5*time.Second)
		if took := time.Since(begin); took != 5*time.Second || attempt.ClassOf(results[1]) != attempt.Transient {
			t.Errorf("after %s: %v", took, results)
		}
	})
	panics := func(context.Context, string, []daybook.Event) error { panic("bug") }
	if results := attempt.Of(t.Context(), panics, "d", events("a"), time.Minute); attempt.ClassOf(results[0]) != attempt.Transient {
		t.Errorf("a panic is %v", results[0])
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if results := attempt.Of(ended, panics, "d", events("a"), time.Minute); !errors.Is(results[0], attempt.ErrNotTried) {
		t.Errorf("of an ended context: %v", results[0])
	}
}
