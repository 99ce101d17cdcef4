package journal_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// TestR15 sends the same few ids from many callers at once, with two contents,
// while the power is cut again and again.
func TestR15OfADuplicateStormOneCopyIsStored(t *testing.T) {
	seed := newSeed(t)
	for round := range size(60, 5000) {
		w := newWorld(t, seed+uint64(round))
		for range 3 {
			w.disk.CutAfter(5 + w.chance.IntN(60))
			if w.open() == nil {
				w.storm(8, 10)
			}
			w.close()
			w.disk = w.disk.Restart([]waltest.Keep{waltest.Nothing, waltest.Pages}[w.chance.IntN(2)])
		}
		w.requireWhole()
		if t.Failed() {
			w.explain(w.disk, "round with seed %d", seed+uint64(round))
		}
	}
}

// storm has senders send the same ids at once, every third with other content.
func (w *world) storm(senders, ids int) {
	w.t.Helper()
	var sending sync.WaitGroup
	for s := range senders {
		text := []string{"first", "first", "other"}[s%3]
		sending.Go(func() {
			for i := range ids {
				w.book.send(w.t, w.journal, w.hears, event(fmt.Sprintf("s-%d", i), text, 200))
			}
		})
	}
	sending.Wait()
}

// The window ends for an id when it has passed since it was received, and not
// before, whether or not the gateway was started again.
func TestR15AnIDIsKnownUpToTheWindowsEdge(t *testing.T) {
	const window = time.Hour
	received := storetest.Event("c", "a").Received
	for _, restart := range []bool{false, true} {
		for _, c := range []struct {
			after time.Duration
			want  []daybook.Status // which answers are right
		}{
			{after: 0, want: []daybook.Status{daybook.Duplicate}},
			{after: window - time.Nanosecond, want: []daybook.Status{daybook.Duplicate}},
			{after: window, want: []daybook.Status{daybook.Duplicate}},
			{after: 3 * window, want: []daybook.Status{daybook.Duplicate, daybook.Stored}},
		} {
			t.Run(fmt.Sprintf("after %v, restart %t", c.after, restart), func(t *testing.T) {
				clock := &clock{now: received}
				o := journal.Options{Dir: "/data", FS: waltest.NewDisk(1), DedupWindow: window, Now: clock.Now, ChunkBytes: wal.DataStart + 1}
				j := open(t, o)
				appendOne(t, j, "a")
				appendOne(t, j, "b") // the chunk of the first is sealed
				clock.add(c.after)
				if restart {
					closeJournal(t, j)
					j = open(t, o)
				}
				requireStatus(t, j, storetest.Event("c", "a"), c.want...)
				if c.after <= window {
					other := storetest.Event("c", "a")
					other.Digest[0]++
					requireStatus(t, j, other, daybook.Refused)
				}
			})
		}
	}
}

func requireStatus(t *testing.T, j *journal.Journal, r store.Record, want ...daybook.Status) {
	t.Helper()
	receipts, err := j.Append(t.Context(), []store.Record{r})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(want, receipts[0].Status) {
		t.Errorf("%s is %v, want one of %v", r.Event.ID, receipts[0].Status, want)
	}
}
