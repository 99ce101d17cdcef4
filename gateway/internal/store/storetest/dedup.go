package storetest

import (
	"sync"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// runOneAppend is what every store that deduplicates at all promises.
func runOneAppend(t *testing.T, open Open) {
	t.Run("a copy within one append is a duplicate", func(t *testing.T) {
		receipts := appendAll(t, open(t), []store.Record{Event("c", "x"), Event("c", "x")})
		if receipts[0].Status != daybook.Stored || receipts[1].Status != daybook.Duplicate {
			t.Errorf("got %+v", receipts)
		}
	})
	t.Run("another content under one id is a conflict and the first stays", func(t *testing.T) {
		other := Event("c", "x")
		other.Digest[0]++
		receipts := appendAll(t, open(t), []store.Record{Event("c", "x"), other})
		if receipts[0].Status != daybook.Stored || receipts[1].Status != daybook.Refused || daybook.CodeOf(receipts[1].Err) != daybook.Conflict {
			t.Errorf("got %+v, want stored and refused with a conflict", receipts)
		}
	})
	t.Run("ids of different callers do not meet", func(t *testing.T) {
		receipts := appendAll(t, open(t), []store.Record{Event("a", "x"), Event("b", "x")})
		if receipts[1].Status != daybook.Stored {
			t.Errorf("got %+v", receipts[1])
		}
	})
}

// runResults stores records about events: they are kept, or dropped on purpose,
// and never taken for the events that they are about.
func runResults(t *testing.T, open Open, traits Traits) {
	want := daybook.Dropped
	if traits.KeepsResults {
		want = daybook.Stored
	}
	settled := store.Record{Kind: store.KindSettled, Event: daybook.Event{ID: "x"}, Caller: "c", Settlement: &store.Settlement{Position: 1, Destination: "statsig", Status: daybook.Stored}}
	summary := store.Record{Kind: store.KindSummary, Summary: []store.Count{{Caller: "c", Events: 1}}}
	t.Run("a settlement and a summary are kept or dropped, and no duplicates", func(t *testing.T) {
		receipts := appendAll(t, open(t), []store.Record{Event("c", "x"), settled, settled, summary, summary})
		if receipts[0].Status != daybook.Stored {
			t.Errorf("the event: %+v", receipts[0])
		}
		for _, r := range receipts[1:] {
			if r.Status != want || r.Err != nil {
				t.Errorf("got %+v, want %v", r, want)
			}
		}
	})
	if !traits.KeepsResults {
		return
	}
	t.Run("an event set aside is kept once, and none the less accepted when it is corrected", func(t *testing.T) {
		aside := Event("c", "x")
		aside.Kind, aside.Refusal = store.KindRefused, &store.Refusal{Code: daybook.Invalid, Reason: "schema_mismatch"}
		aside.Event.IdempotencyKey = "once"
		corrected := Event("c", "x")
		corrected.Digest[0]++
		corrected.Event.IdempotencyKey = "once"
		receipts := appendAll(t, open(t), []store.Record{aside, aside, corrected, corrected})
		for i, want := range []daybook.Status{daybook.Stored, daybook.Duplicate, daybook.Stored, daybook.Duplicate} {
			if receipts[i].Status != want {
				t.Errorf("%d: got %+v, want %v", i, receipts[i], want)
			}
		}
	})
	t.Run("a destination's dead letter is no duplicate of its event", func(t *testing.T) {
		letter := Event("c", "x")
		letter.Kind = store.KindRefused
		letter.Refusal = &store.Refusal{Destination: "statsig", Reason: "rejected"}
		for _, r := range appendAll(t, open(t), []store.Record{Event("c", "x"), letter, letter}) {
			if r.Status != daybook.Stored {
				t.Errorf("got %+v", r)
			}
		}
	})
}

func runDeduplicates(t *testing.T, open Open, traits Traits) {
	t.Run("a copy is a duplicate of the first", func(t *testing.T) {
		s := open(t)
		first := appendAll(t, s, Events("a", 1))[0]
		second := appendAll(t, s, Events("a", 1))[0]
		if second.Status != daybook.Duplicate || second.ID != "a-0" || second.Err != nil {
			t.Errorf("second receipt is %+v", second)
		}
		if second.Position != 0 && second.Position != first.Position {
			t.Errorf("duplicate of position %d, stored at %d", second.Position, first.Position)
		}
	})
	t.Run("the same id with other content is a conflict and the first stays", func(t *testing.T) {
		s := open(t)
		other := Event("c", "x")
		other.Digest[0]++
		appendAll(t, s, []store.Record{Event("c", "x")})
		r := appendAll(t, s, []store.Record{other})[0]
		if r.Status != daybook.Refused || daybook.CodeOf(r.Err) != daybook.Conflict {
			t.Errorf("got %+v, want refused with a conflict", r)
		}
	})
	t.Run("of copies sent at the same time exactly one is stored", func(t *testing.T) { testStorm(t, open) })
	if traits.SurvivesReopen {
		t.Run("a copy sent after a restart is a duplicate", func(t *testing.T) {
			s := open(t)
			appendAll(t, s, Events("a", 3))
			s = reopen(t, s, open)
			for _, r := range appendAll(t, s, Events("a", 3)) {
				if r.Status != daybook.Duplicate {
					t.Errorf("got %+v", r)
				}
			}
		})
	}
}

func testStorm(t *testing.T, open Open) {
	s := open(t)
	var mu sync.Mutex
	stored := map[string]int{}
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			receipts, err := s.Append(t.Context(), Events("a", 50))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range receipts {
				if r.Status == daybook.Stored {
					stored[r.ID]++
				}
			}
		})
	}
	senders.Wait()
	for _, r := range Events("a", 50) {
		if n := stored[r.Event.ID]; n != 1 {
			t.Errorf("%s stored %d times", r.Event.ID, n)
		}
	}
}

func reopen(t *testing.T, s store.Store, open Open) store.Store {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return open(t)
}
