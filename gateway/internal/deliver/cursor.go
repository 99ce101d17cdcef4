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
	Retried uint64 `json:"retried,omitempty"` // of those delivered: they had been dead before

	Newest    store.Position `json:"newest"`               // of the store, when the cursor was written
	DeadAfter store.Position `json:"dead_after,omitempty"` // behind it may be dead letters that Counts does not know; 0 = there are none

	Unknown   []unsettled `json:"unknown,omitempty"` // events that are dead because nobody said what came of them
	DeadBytes deadBytes   `json:"dead_bytes"`
	Written   time.Time   `json:"written"`
}

// An unsettled is an event whose outcome was not known, and its dead letter.
type unsettled struct {
	Event  store.Position `json:"event"`
	Letter store.Position `json:"letter"`
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

// deadBytes knows how many bytes of dead letters are kept per caller. Letters go
// with the records around them, so it forgets them in two generations: the older
// one when none of it is kept any more, both when that is true of the newer one.
type deadBytes struct {
	Older map[string]int64 `json:"older,omitempty"`
	Newer map[string]int64 `json:"newer,omitempty"`
	Since store.Position   `json:"since,omitempty"` // the last letter of the older generation
	Last  store.Position   `json:"last,omitempty"`  // the last letter of all
}

// manyCallers is how many callers' bytes are counted apart; the others share
// one count.
const manyCallers = 1000

// of returns the bytes that count for a caller. oldest is the position of the
// oldest record kept; zero = there is none.
func (d *deadBytes) of(caller string, oldest store.Position) int64 {
	if oldest > d.Last {
		d.Older, d.Newer = nil, nil
	}
	if oldest > d.Since {
		d.Older, d.Newer, d.Since = d.Newer, nil, d.Last
	}
	name := d.name(caller)
	return d.Older[name] + d.Newer[name]
}

// add counts a dead letter of a caller, stored at a position.
func (d *deadBytes) add(caller string, bytes int64, at store.Position) {
	if d.Newer == nil {
		d.Newer = map[string]int64{}
	}
	d.Newer[d.name(caller)] += bytes
	d.Last = at
}

func (d *deadBytes) name(caller string) string {
	if _, known := d.Newer[caller]; known || len(d.Newer) < manyCallers {
		return caller
	}
	return ""
}

func (d *deadBytes) clone() deadBytes {
	return deadBytes{Older: maps.Clone(d.Older), Newer: maps.Clone(d.Newer), Since: d.Since, Last: d.Last}
}
