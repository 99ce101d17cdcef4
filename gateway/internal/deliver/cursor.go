package deliver

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"daybook.dev/gateway/internal/store"
)

// A cursor is what one destination remembers: which records are finished, and
// how its events ended. docs/cursor-format.md is the promise about the file.
// It may lag behind what was delivered, and never leads.
type cursor struct {
	Destination string `json:"destination"`

	Store string `json:"store"` // the store whose positions these are
	Epoch uint64 `json:"epoch"` // and the life of it

	Start store.Position `json:"start"` // the destination gets what lies behind
	Base  int64          `json:"base"`  // events stored up to the start

	Low       store.Position `json:"low"`              // everything up to here is finished
	LowEvents uint64         `json:"low_events"`       // events from the start to low
	Ranges    []span         `json:"ranges,omitempty"` // what is finished behind low

	Counts

	Newest    store.Position `json:"newest"`               // of the store, when the cursor was written
	DeadAfter store.Position `json:"dead_after,omitempty"` // behind it may be dead letters that Counts does not know; 0 = there are none

	DeadBytes deadBytes `json:"dead_bytes"`
	Written   time.Time `json:"written"`
}

// Counts says how events ended, since the destination's start.
type Counts struct {
	Delivered uint64 `json:"delivered"`
	Dead      uint64 `json:"dead"`
	Filtered  uint64 `json:"filtered"`
	Evicted   uint64 `json:"evicted"` // removed or damaged before they were delivered
}

func (c *Counts) sum() uint64 { return c.Delivered + c.Dead + c.Filtered + c.Evicted }

// take removes n events from the counts: what is delivered again first, then
// what decides itself again.
func (c *Counts) take(n uint64) {
	for _, count := range []*uint64{&c.Delivered, &c.Filtered, &c.Evicted, &c.Dead} {
		d := min(n, *count)
		*count -= d
		n -= d
	}
}

// finished is how many events the ranges say are finished.
func (c *cursor) finished() (events uint64) {
	for _, s := range c.Ranges {
		events += s.Events
	}
	return events
}

// sound reports whether the parts of c agree with each other.
func (c *cursor) sound() bool {
	last := c.Low
	for _, s := range c.Ranges {
		if s.First <= last || s.Last < s.First {
			return false
		}
		last = s.Last
	}
	return c.Low >= c.Start && c.LowEvents+c.finished() == c.sum()
}

// clamp makes c fit a store of which it knows positions up to known: what it
// says about later ones is about other records.
func (c *cursor) clamp(known store.Tally, log *slog.Logger) {
	if n := len(c.Ranges); c.Low <= known.Position && (n == 0 || c.Ranges[n-1].Last <= known.Position) {
		return
	}
	log.Error("cursor is ahead of the store, which was restored from a copy: what the store has now is delivered from there",
		"destination", c.Destination, "cursor", c.Low, "known", known.Position)
	c.Ranges = slices.DeleteFunc(c.Ranges, func(s span) bool { return s.Last > known.Position })
	c.Counts.take(c.sum() - c.LowEvents - c.finished())
	if c.Low > known.Position {
		// What was delivered in the other life was stored in that life: the
		// base makes up for it.
		c.Low, c.Start = known.Position, min(c.Start, known.Position)
		c.Base = int64(known.Events) - int64(c.LowEvents)
	}
}

// deadBytes knows how many bytes of dead letters there are per caller, by two
// generations: the older is forgotten once none of it is kept any more.
type deadBytes struct {
	Older map[string]int64 `json:"older,omitempty"`
	Newer map[string]int64 `json:"newer,omitempty"` // those stored behind Since
	Since store.Position   `json:"since,omitempty"`
}

// manyCallers is how many callers' bytes are counted apart; the others share
// one count.
const manyCallers = 1000

// of returns the bytes that count for a caller.
func (d *deadBytes) of(caller string) int64 { return d.Older[d.name(caller)] + d.Newer[d.name(caller)] }

// add counts a dead letter of a caller. newest is the position of the newest
// record, oldest that of the oldest one kept.
func (d *deadBytes) add(caller string, bytes int64, oldest, newest store.Position) {
	if d.Newer == nil || oldest > d.Since {
		d.Older, d.Newer, d.Since = d.Newer, map[string]int64{}, newest
	}
	d.Newer[d.name(caller)] += bytes
}

func (d *deadBytes) name(caller string) string {
	if _, known := d.Newer[caller]; known || len(d.Newer) < manyCallers {
		return caller
	}
	return ""
}

func (d *deadBytes) clone() deadBytes {
	return deadBytes{Older: maps.Clone(d.Older), Newer: maps.Clone(d.Newer), Since: d.Since}
}
