package journal

import (
	"maps"
	"strings"
	"sync"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// How many events were ever stored is stated by each chunk's header for all that
// is before it. So it is known again from the headers and the active chunk, also
// where chunks are gone or damaged.

// before is how many events were stored before the chunk c; false where its
// header does not say.
func before(c *wal.Header) (events uint64, stated bool) { return c.Tally - 1, c.Tally != 0 }

// tally is what a header says for a number of events before it.
func tally(events uint64) uint64 { return events + 1 }

// A run is consecutive records of an append that have one caller. Most appends
// have one run.
type run struct {
	caller string
	events uint64 // of them stored; set by the writer
}

// counts is how many events were stored since the journal was opened.
type counts struct {
	mu     sync.Mutex
	from   store.Position // guarded by mu, like everything below: the place where the journal was opened
	to     store.Position // up to which events counts
	events map[string]uint64
}

func (c *counts) open(at store.Position) {
	c.from, c.to, c.events = at, at, map[string]uint64{}
}

// add counts the events of a group that was synced up to the position to, and
// returns how many they are.
func (c *counts) add(group []*batch, to store.Position) (all uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to = to
	var same run // neighbours mostly have the same caller
	for _, b := range group {
		for _, r := range b.runs {
			if r.caller != same.caller {
				c.enter(same)
				same = run{caller: r.caller}
			}
			same.events += r.events
			all += r.events
		}
	}
	c.enter(same)
	return all
}

// enter must be called with mu held.
func (c *counts) enter(r run) {
	if r.events == 0 {
		return
	}
	if n, known := c.events[r.caller]; known {
		c.events[r.caller] = n + r.events
		return
	}
	c.events[strings.Clone(r.caller)] = r.events // the append's memory is not ours to keep
}

// Stored implements [store.Counter].
func (j *Journal) Stored() (from, to store.Position, events map[string]uint64) {
	c := &j.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.from, c.to, maps.Clone(c.events)
}

// Tallies implements [store.Counter].
func (j *Journal) Tallies() []store.Tally {
	v := j.view.Load()
	tallies := make([]store.Tally, 0, v.chunks()+1)
	add := func(at, events uint64) {
		if n := len(tallies); n > 0 && tallies[n-1].Position == store.Position(at) {
			return // a chunk without records
		}
		tallies = append(tallies, store.Tally{Position: store.Position(at), Events: events})
	}
	for i := range v.chunks() {
		c := v.chunk(i)
		events, _ := before(&c.Header) // stated, or counted: see recount
		add(c.First-1, events)
	}
	add(v.active.End.Sequence, v.events)
	return tallies
}
