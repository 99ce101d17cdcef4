package storetest

import (
	"fmt"
	"maps"
	"sync"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

func runCounts(t *testing.T, open Open, traits Traits) {
	t.Run("an empty store has stored nothing", func(t *testing.T) {
		s := open(t)
		if got := EventsStored(t, s); got != 0 {
			t.Errorf("%d events", got)
		}
		requireStored(t, s, 0, 0, nil)
	})
	t.Run("events are counted, and nothing else is", func(t *testing.T) {
		s := open(t)
		appendAll(t, s, mixed())
		appendAll(t, s, mixed()[:2]) // duplicates, where those are told
		events := uint64(2)
		if !traits.Deduplicates {
			events = 4
		}
		if got := EventsStored(t, s); got != events {
			t.Errorf("%d events, want %d", got, events)
		}
		_, to, stored := counter(t, s).Stored()
		if want := map[string]uint64{"a": events / 2, "b": events / 2}; !maps.Equal(stored, want) {
			t.Errorf("stored %v up to %d, want %v", stored, to, want)
		}
	})
	t.Run("each tally is what was stored up to its position", func(t *testing.T) { testTallies(t, open) })
	t.Run("the counts of callers belong to the range they are given with", func(t *testing.T) { testCallers(t, open) })
	t.Run("the map is the caller's own", func(t *testing.T) {
		s := open(t)
		appendAll(t, s, Events("a", 3))
		_, _, events := counter(t, s).Stored()
		events["checkout"] = 99
		requireStored(t, s, 0, 3, map[string]uint64{"checkout": 3})
	})
	if traits.SurvivesReopen {
		t.Run("after a restart tallies go on and the counts of callers begin anew", func(t *testing.T) {
			s := open(t)
			appendAll(t, s, mixed())
			before := counter(t, s).Tallies()
			s = reopen(t, s, open)
			if got, want := EventsStored(t, s), before[len(before)-1].Events; got != want {
				t.Errorf("%d events, %d before the restart", got, want)
			}
			newest := store.Position(len(mixed()))
			requireStored(t, s, newest, newest, nil)
			appendAll(t, s, Events("c", 2))
			requireStored(t, s, newest, newest+2, map[string]uint64{"checkout": 2})
		})
	}
}

func counter(t *testing.T, s store.Store) store.Counter {
	t.Helper()
	c, ok := s.(store.Counter)
	if !ok {
		t.Fatalf("%T is no store.Counter", s)
	}
	return c
}

// EventsStored returns how many events a [store.Counter] has stored in all.
func EventsStored(t *testing.T, s store.Store) uint64 {
	t.Helper()
	tallies := counter(t, s).Tallies()
	if len(tallies) == 0 {
		t.Fatal("no tally")
	}
	return tallies[len(tallies)-1].Events
}

// mixed returns records of every kind from two callers: an event of each.
func mixed() []store.Record {
	refused := Event("a", "refused")
	refused.Kind, refused.Refusal = store.KindRefused, &store.Refusal{Reason: "blank_name"}
	letter := Event("b", "y")
	letter.Kind, letter.Refusal = store.KindRefused, &store.Refusal{Destination: "kafka", Position: 2, Reason: "rejected"}
	return []store.Record{
		Event("a", "x"), Event("b", "y"), refused, letter,
		{Kind: store.KindSettled, Caller: "a", Event: daybook.Event{ID: "x"}, Settlement: &store.Settlement{Position: 1, Destination: "statsig", Status: daybook.Stored}},
		{Kind: store.KindSummary, Summary: []store.Count{{Caller: "a", Status: daybook.Stored, Events: 1}}, Through: 2},
	}
}

func requireStored(t *testing.T, s store.Store, from, to store.Position, events map[string]uint64) {
	t.Helper()
	gotFrom, gotTo, got := counter(t, s).Stored()
	if gotFrom != from || gotTo != to || !maps.Equal(got, events) {
		t.Errorf("stored from %d to %d: %v, want from %d to %d: %v", gotFrom, gotTo, got, from, to, events)
	}
}

func testTallies(t *testing.T, open Open) {
	s := open(t)
	for i := range 20 {
		appendAll(t, s, Events(fmt.Sprint(i), 3))
		appendAll(t, s, mixed()[4:])
	}
	RequireTallies(t, s)
}

// RequireTallies requires that what a store says it has stored agrees with what
// can be read of it, and that nothing is missing there.
func RequireTallies(t *testing.T, s store.Store) {
	t.Helper()
	f := follower(t, s)
	tallies := counter(t, s).Tallies()
	oldest, newest := f.Bounds()
	first, last := tallies[0], tallies[len(tallies)-1]
	if newest != 0 && (first.Position != oldest-1 || last.Position != newest) {
		t.Errorf("tallies from %d to %d, records from %d to %d", first.Position, last.Position, oldest, newest)
	}
	events := first.Events
	for _, e := range ReadAll(t, f, 100) {
		for len(tallies) > 0 && tallies[0].Position < e.Position {
			if tallies[0].Events != events {
				t.Errorf("tally %+v, counted %d", tallies[0], events)
			}
			tallies = tallies[1:]
		}
		if e.Kind == store.KindEvent {
			events++
		}
	}
	if len(tallies) != 1 || tallies[0].Events != events {
		t.Errorf("tallies at the end are %v, counted %d", tallies, events)
	}
}

// testCallers has several callers append at the same time and requires of every
// snapshot on the way that it is whole: each append has one event of each caller.
func testCallers(t *testing.T, open Open) {
	s := open(t)
	const appenders, appends = 8, 25
	var running sync.WaitGroup
	for a := range appenders {
		running.Go(func() {
			for i := range appends {
				id := fmt.Sprintf("%d-%d", a, i)
				if _, err := s.Append(t.Context(), []store.Record{Event("a", id), Event("b", id)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for to := store.Position(0); to < 2*appenders*appends && !t.Failed(); {
		var events map[string]uint64
		_, to, events = counter(t, s).Stored()
		if events["a"] != events["b"] || events["a"]+events["b"] != uint64(to) {
			t.Fatalf("up to %d: %v", to, events)
		}
	}
	running.Wait()
}
