package journal

import (
	"sync"
	"time"
)

const (
	// calmJump is how far the clock may stray between two looks, for time
	// servers that set it right in small steps.
	calmJump = time.Minute

	// calmPatience is how long a jump must last to be believed.
	calmPatience = time.Hour
)

// A calm is a clock for decisions that cannot be taken back: what is older than
// it is to be kept is removed for good. It follows the system's clock, except
// that a jump is believed only after it has lasted. A clock that is a year
// ahead for a minute must not cost a year of events.
type calm struct {
	wall func() time.Time

	mu      sync.Mutex    // guards everything below
	at      time.Time     // the time that is believed
	looked  time.Time     // when, in time that passes
	other   time.Time     // what the clock said instead, at that look
	doubted time.Duration // for how long it has gone on from there
}

// newCalm starts at last, the time that was believed last, or at the clock's time
// where none was: the clock may be wrong from the start.
func newCalm(wall func() time.Time, last time.Time) *calm {
	c := &calm{wall: wall, at: last, looked: time.Now()}
	if last.IsZero() {
		c.at = wall()
	}
	return c
}

// bounds returns the earlier and the later of the time that is believed and what
// the clock says. Whoever takes the earlier for now keeps things for longer.
func (c *calm) bounds() (earlier, later time.Time) {
	earlier, later = c.now(), c.wall()
	if later.Before(earlier) {
		return later, earlier
	}
	return earlier, later
}

// now returns the time that is believed.
func (c *calm) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := time.Since(c.looked)
	c.looked = c.looked.Add(passed)
	expected, wall := c.at.Add(passed), c.wall()
	if strayed := wall.Sub(expected).Abs(); strayed <= calmJump {
		c.at, c.doubted = wall, 0
		return c.at
	}
	c.at = expected
	if wall.Sub(c.other.Add(passed)).Abs() <= calmJump {
		c.doubted += passed
	} else {
		c.doubted = 0 // another jump: each has to last by itself
	}
	c.other = wall
	if c.doubted >= calmPatience {
		c.at, c.doubted = wall, 0
	}
	return c.at
}
