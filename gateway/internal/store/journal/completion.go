package journal

import (
	"time"

	"daybook.dev/internal/wal"
)

// A completion knows for how long chunks have been complete. Only the keeper uses
// it.
type completion struct {
	// begun is the chunk that this process began with.
	begun uint64

	// seen is when each chunk was first seen to be complete, in time that passes.
	// It says so of those that this process wrote, and of those whose headers
	// cannot be believed.
	seen map[uint64]time.Time

	// latest is when a chunk was complete, as its headers say: those behind it
	// were not before.
	latest time.Time
}

// look takes note of the chunks that were completed since it looked last.
func (c *completion) look(v *view) {
	for i := len(v.sealed) - 1; i >= 0 && v.sealed[i].ID >= c.begun; i-- {
		if _, known := c.seen[v.sealed[i].ID]; known {
			return
		}
		c.seen[v.sealed[i].ID] = time.Now()
	}
}

// since returns for how long the oldest chunk has been complete. What a former
// process wrote is dated by the headers: it was complete when the next chunk was
// made. What the clock said may have been wrong, and it is better to keep a chunk
// for too long: times still to come say nothing, and no chunk is older than the
// one before it.
func (c *completion) since(oldest, next *wal.Listed, now time.Time) time.Duration {
	if at, ok := c.seen[oldest.ID]; ok {
		return time.Since(at)
	}
	for _, at := range []time.Time{oldest.Created, next.Created} {
		if at.After(c.latest) && !at.After(now) {
			c.latest = at
		}
	}
	if c.latest.IsZero() {
		c.seen[oldest.ID] = time.Now()
		return 0
	}
	return now.Sub(c.latest)
}

func (c *completion) forget(chunk uint64) { delete(c.seen, chunk) }
