// Package storetest is what every store has to pass. Run states as traits what
// a store promises beyond the least, so that no promise is skipped silently.
package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// Traits are the promises a store makes.
type Traits struct {
	Deduplicates   bool // by scope and event id, within one append and across them
	OneAppendOnly  bool // deduplicates within one append, and no further; instead of Deduplicates
	Follows        bool // implements store.Follower
	KeepsResults   bool // keeps records about events too: settlements, summaries, dead letters
	Counts         bool // implements store.Counter
	Finds          bool // implements store.Finder
	SurvivesReopen bool // open on the same test opens the same records again
}

// Open opens a store for one test. Called again in the same test, after the
// first store was closed, it opens the same one. Its cleanup is the test's.
type Open func(t *testing.T) store.Store

// start is when the events of this suite were received: not long ago, because
// their ids are remembered for a time only.
var start = time.Now().UTC().Truncate(time.Second).Add(-time.Hour + 123456789)

// Event returns a complete record of an event from a caller.
func Event(caller, id string) store.Record {
	return store.Record{
		Kind: store.KindEvent,
		Event: daybook.Event{
			ID: id, Name: "login-success", Type: daybook.Behavioral, Actor: "ann",
			Time: start.Add(-time.Minute), Metadata: []byte(`{"plan":"pro","n":12345678901234567890}`),
		},
		Digest: store.Digest{1, 2, 3}, Caller: caller, Protocol: "http", Instance: "gateway-1", Received: start,
	}
}

// Events returns n records with the ids prefix-0, prefix-1 and so on, received
// a second apart.
func Events(prefix string, n int) []store.Record {
	records := make([]store.Record, n)
	for i := range records {
		records[i] = Event("checkout", fmt.Sprintf("%s-%d", prefix, i))
		records[i].Received = start.Add(time.Duration(i) * time.Second)
	}
	return records
}

// Run runs the suite.
func Run(t *testing.T, open Open, traits Traits) {
	t.Run("a stored event has a receipt with its id", func(t *testing.T) {
		s := open(t)
		for i, r := range appendAll(t, s, Events("a", 3)) {
			if want := fmt.Sprintf("a-%d", i); r.Status != daybook.Stored || r.ID != want || r.Err != nil {
				t.Errorf("receipt %d = %+v, want stored %s", i, r, want)
			}
		}
	})
	t.Run("an append of nothing answers nothing", func(t *testing.T) {
		if receipts, err := open(t).Append(t.Context(), nil); len(receipts) != 0 || err != nil {
			t.Errorf("got %v, %v", receipts, err)
		}
	})
	t.Run("an append whose context has ended stores nothing", func(t *testing.T) {
		ctx, cancel := contextEnded(t)
		defer cancel()
		if _, err := open(t).Append(ctx, Events("a", 1)); daybook.CodeOf(err) != daybook.Unavailable {
			t.Errorf("error is %v, want one with code unavailable", err)
		}
	})
	t.Run("an open store is ready and says how durable it is", func(t *testing.T) {
		s := open(t)
		if err := s.Ready(t.Context()); err != nil {
			t.Error("not ready:", err)
		}
		if s.Durability() == daybook.NotDurable {
			t.Error("durability is none")
		}
	})
	t.Run("a closed store refuses, and closing again is no error", func(t *testing.T) { testClosed(t, open) })
	t.Run("appends at the same time are each answered with their own ids", func(t *testing.T) { testConcurrent(t, open) })
	if traits.Deduplicates || traits.OneAppendOnly {
		t.Run("deduplication within one append", func(t *testing.T) { runOneAppend(t, open) })
	}
	if traits.Deduplicates {
		t.Run("deduplication", func(t *testing.T) { runDeduplicates(t, open, traits) })
	}
	t.Run("results", func(t *testing.T) { runResults(t, open, traits) })
	if traits.Follows {
		t.Run("following", func(t *testing.T) { runFollows(t, open, traits) })
	}
	if traits.Counts {
		t.Run("counting", func(t *testing.T) { runCounts(t, open, traits) })
	}
	if traits.Finds {
		t.Run("finding", func(t *testing.T) { runFinds(t, open, traits) })
	}
}

func appendAll(t *testing.T, s store.Store, records []store.Record) []store.Receipt {
	t.Helper()
	receipts, err := s.Append(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	if len(receipts) != len(records) {
		t.Fatalf("%d receipts for %d records", len(receipts), len(records))
	}
	return receipts
}

func testClosed(t *testing.T, open Open) {
	s := open(t)
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Append(t.Context(), Events("a", 1)); !errors.Is(err, daybook.ErrClosed) {
		t.Errorf("append after close: %v, want ErrClosed", err)
	}
	if err := s.Ready(t.Context()); err == nil {
		t.Error("ready after close")
	}
}

func testConcurrent(t *testing.T, open Open) {
	s := open(t)
	var appenders sync.WaitGroup
	for a := range 16 {
		appenders.Go(func() {
			for n := range 20 {
				records := Events(fmt.Sprintf("%d-%d", a, n), 1+n%3)
				receipts, err := s.Append(t.Context(), records)
				if err != nil {
					t.Error(err)
					return
				}
				for i, r := range receipts {
					if r.Status != daybook.Stored || r.ID != records[i].Event.ID {
						t.Errorf("receipt %+v for %s", r, records[i].Event.ID)
					}
				}
			}
		})
	}
	appenders.Wait()
}
