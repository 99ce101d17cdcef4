package deliver

import (
	"time"

	"daybook.dev/gateway/internal/attempt"
)

// The waits between attempts. Each is chosen by chance between nothing and a
// limit that doubles from one failure to the next ("full jitter"), so that what
// failed together does not come back together.
const (
	firstWait = 200 * time.Millisecond

	// mostEvent is the limit for events that fail on their own while their
	// destination takes others: there is no hurry.
	mostEvent = 30 * time.Second

	// mostProbe is the limit for a destination that takes nothing: that it is
	// back is to be noticed within this time.
	mostProbe = 5 * time.Second

	// mostMisconfigured is the limit while a person has to act.
	mostMisconfigured = time.Minute

	// mostAsked is how long a destination may ask to be left alone.
	mostAsked = time.Hour

	// openAfter is how many failures in a row open the breaker: from then on
	// the limit has been reached.
	openAfter = 6
)

// backoff returns the wait after the given number of failures in a row, at
// least 1. chance is at least 0 and less than 1.
func backoff(failures int, most time.Duration, chance float64) time.Duration {
	limit := most
	if doublings := failures - 1; doublings < 16 {
		limit = min(most, firstWait<<doublings)
	}
	return max(time.Millisecond, time.Duration(chance*float64(limit)))
}

// wait returns how long to leave an event, or a destination, alone after a
// fault.
func (f *fault) wait(failures int, most time.Duration, chance float64) time.Duration {
	if f.class == attempt.Misconfigured {
		most = mostMisconfigured
	}
	wait := backoff(failures, most, chance)
	if f.class == attempt.Throttled {
		wait = max(wait, min(f.retryAfter, mostAsked))
	}
	return wait
}

// A breaker knows whether a destination takes anything at all. From the first
// write that fails as a whole until the next that does not, one write at a time
// is tried, each a probe, with growing waits in between.
type breaker struct {
	failures int       // writes in a row that failed as a whole; 0 = closed
	since    time.Time // the first of them ended
	counted  time.Time // the last that was counted ended
	next     time.Time // the next may begin
	last     *fault    // of the last of them
}

// closed reports whether writes may begin as they like.
func (b *breaker) closed() bool { return b.failures == 0 }

// open reports whether the destination has failed for so long that the waits
// have reached their limit.
func (b *breaker) open() bool { return b.failures >= openAfter }

// failed notes a write that failed as a whole. Of writes that were under way
// together only the first to end makes the wait longer.
func (b *breaker) failed(f *fault, began, now time.Time, chance float64) {
	if b.failures == 0 {
		b.since = now
	}
	if b.failures == 0 || !began.Before(b.counted) {
		b.failures++
		b.counted = now
		b.next = now
	}
	b.last = f
	if next := now.Add(f.wait(b.failures, mostProbe, chance)); next.After(b.next) {
		b.next = next
	}
}

// worked notes a write that the destination answered, and returns what it had
// been like before.
func (b *breaker) worked() (before breaker) {
	before, *b = *b, breaker{}
	return before
}
