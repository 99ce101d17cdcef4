package journal_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// TestR16 sets the clock to and fro, by seconds and by years, for minutes at a
// time: the journal goes on, nothing is removed and no id is forgotten.
func TestR16JumpsOfTheClockCostNothing(t *testing.T) {
	seed := newSeed(t)
	for round := range size(10, 500) {
		synctest.Test(t, func(t *testing.T) { jump(t, seed+uint64(round)) })
		if t.Failed() {
			t.Fatalf("seed %d", seed+uint64(round))
		}
	}
}

func jump(t *testing.T, seed uint64) {
	chance := rand.New(rand.NewPCG(seed, 3))
	clock := &clock{now: storetest.Event("c", "a").Received}
	o := journal.Options{Dir: "/data", FS: waltest.NewDisk(seed), Now: clock.Now, ChunkBytes: wal.DataStart + 1500}
	j := open(t, o)
	var sent []store.Record
	right := clock.Now()
	for i := range 60 {
		if i%2 == 0 {
			right = right.Add(time.Minute)
			// Back by less than the window: an id received longer ago than that,
			// as its own time says, is forgotten.
			back := -time.Duration(chance.Int64N(int64(20 * time.Hour)))
			ahead := time.Duration(chance.Int64N(int64(9000 * time.Hour)))
			clock.set(right.Add([]time.Duration{0, back, ahead}[chance.IntN(3)]))
			time.Sleep(time.Minute) // what looks after the disk, looks
		}
		if i%20 == 19 {
			clock.set(right)
			closeJournal(t, j)
			j = open(t, o)
		}
		r := event(fmt.Sprintf("e-%d", i), "first", 100)
		r.Received = clock.Now()
		requireStatus(t, j, r, daybook.Stored)
		sent = append(sent, r)
		if err := j.Ready(t.Context()); err != nil {
			t.Errorf("ready says %v", err)
		}
		if at, err := j.Seek(t.Context(), sent[chance.IntN(len(sent))].Received); err != nil || int(at) > len(sent) {
			t.Errorf("seek: %d, %v", at, err)
		}
	}
	clock.set(right)
	time.Sleep(time.Minute)
	if entries := storetest.ReadAll(t, j, 100); len(entries) != len(sent) {
		t.Errorf("%d of %d events are kept", len(entries), len(sent))
	}
	for _, r := range sent {
		requireStatus(t, j, r, daybook.Duplicate)
	}
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}
