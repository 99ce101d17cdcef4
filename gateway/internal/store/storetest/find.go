package storetest

import (
	"fmt"
	"sync"
	"testing"

	"daybook.dev/gateway/internal/store"
)

func runFinds(t *testing.T, open Open, traits Traits) {
	t.Run("a key is found where its first copy is", func(t *testing.T) {
		s := open(t)
		records := Events("a", 50)
		receipts := appendAll(t, s, records)
		appendAll(t, s, records) // copies
		for i := range records {
			requireFound(t, s, records[i].Key(), receipts[i].Position)
		}
	})
	t.Run("an unknown key is not found, nor is another caller's", func(t *testing.T) {
		s := open(t)
		appendAll(t, s, Events("a", 5))
		requireFound(t, s, store.KeyOf("checkout", "b-0"), 0)
		requireFound(t, s, store.KeyOf("billing", "a-0"), 0)
	})
	t.Run("a refused event is found, a destination's dead letter is not", func(t *testing.T) {
		s := open(t)
		appendAll(t, s, mixed())
		requireFound(t, s, store.KeyOf("b", "y"), 2)
		requireFound(t, s, store.SetAsideKeyOf("a", "refused"), 3)
		requireFound(t, s, store.KeyOf("a", "refused"), 0)
	})
	t.Run("what was answered is found at once, while others append", func(t *testing.T) { testFindsAtOnce(t, open) })
	if traits.SurvivesReopen {
		t.Run("a key is found after a restart", func(t *testing.T) {
			s := open(t)
			appendAll(t, s, Events("a", 5))
			s = reopen(t, s, open)
			appendAll(t, s, Events("b", 5))
			for i, r := range append(Events("a", 5), Events("b", 5)...) {
				requireFound(t, s, r.Key(), store.Position(i+1))
			}
		})
	}
}

// requireFound requires that a key is found at a position; zero: not at all.
func requireFound(t *testing.T, s store.Store, key store.Key, want store.Position) {
	t.Helper()
	f, ok := s.(store.Finder)
	if !ok {
		t.Fatalf("%T is no store.Finder", s)
	}
	at, found, err := f.Find(t.Context(), key)
	if err != nil || at != want || found != (want != 0) {
		t.Errorf("found %v at %d, %v, want %d", found, at, err, want)
	}
}

func testFindsAtOnce(t *testing.T, open Open) {
	s := open(t)
	var running sync.WaitGroup
	for a := range 8 {
		running.Go(func() {
			for i := range 20 {
				r := Event("c", fmt.Sprintf("%d-%d", a, i))
				receipts, err := s.Append(t.Context(), []store.Record{r})
				if err != nil {
					t.Error(err)
					return
				}
				requireFound(t, s, r.Key(), receipts[0].Position)
			}
		})
	}
	running.Wait()
}
