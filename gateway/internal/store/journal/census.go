package journal

import (
	"math"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// A census counts the events that were stored up to the place a survey has come
// to, those that are lost included.
type census struct {
	events uint64
	known  bool // false before the first header that states it, where one does

	// spare is how many of the records lost in this chunk can have been events,
	// as the next header tells: the kinds of most are not known. It takes
	// reading the chunk, so it is found out when the first are lost.
	spare func() uint64
}

// newCensus starts at the oldest chunk. Where no header states how many events
// were before it, none were.
func newCensus(chunks []wal.Listed) census {
	_, stated := statedFrom(chunks)
	return census{known: !stated}
}

// statedFrom is what the first of the chunks that does so says of the events
// before it.
func statedFrom(chunks []wal.Listed) (events uint64, stated bool) {
	for i := range chunks {
		if events, stated = before(&chunks[i].Header); stated {
			return events, true
		}
	}
	return 0, false
}

// begin comes to the first of the chunks; the others follow. whole counts the
// events that can be read in it.
func (c *census) begin(chunks []wal.Listed, whole func() uint64) {
	if events, stated := before(&chunks[0].Header); stated {
		c.events, c.known = events, true
	}
	end, stated := statedFrom(chunks[1:])
	if !stated {
		end = math.MaxUint64
	}
	start := c.events
	c.spare = func() uint64 { return less(less(end, start), whole()) }
}

// less is a-b, or zero.
func less(a, b uint64) uint64 { return a - min(a, b) }

// record passes a whole record.
func (c *census) record(kind uint8) {
	if store.Kind(kind) == store.KindEvent {
		c.events++
	}
}

// lost passes records that cannot be read.
func (c *census) lost(d wal.Damage) {
	spare := c.spare()
	events := min(lostEvents(d), spare)
	c.events += events
	c.spare = func() uint64 { return spare - events }
}

// tally is what a header has to say at this place.
func (c *census) tally() uint64 {
	if !c.known {
		return 0
	}
	return tally(c.events)
}
