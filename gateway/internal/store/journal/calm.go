package journal

import "time"

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
	wall    func() time.Time
	at      time.Time     // the time that is believed
	looked  time.Time     // when, in time that passes
	doubted time.Duration // for how long the clock has said something else
}

// newCalm starts at the clock's time, or at last, the latest time the journal
// has seen before, when the clock says more: it may be wrong from the start.
func newCalm(wall func() time.Time, last time.Time) *calm {
	c := &calm{wall: wall, at: wall(), looked: time.Now()}
	if !last.IsZero() && last.Before(c.at) {
		c.at = last
	}
	return c
}

// now returns the time that is believed.
func (c *calm) now() time.Time {
	passed := time.Since(c.looked)
	c.looked = c.looked.Add(passed)
	expected, wall := c.at.Add(passed), c.wall()
	if strayed := wall.Sub(expected).Abs(); strayed <= calmJump {
		c.at, c.doubted = wall, 0
		return c.at
	}
	c.at = expected
	if c.doubted += passed; c.doubted >= calmPatience {
		c.at, c.doubted = wall, 0
	}
	return c.at
}
