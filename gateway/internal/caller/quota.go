package caller

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const defaultBurst = 10 * time.Second

func (q Quota) isZero() bool { return q.Events == 0 && q.Bytes == 0 }

func (q Quota) burst() time.Duration {
	if q.Burst > 0 {
		return q.Burst
	}
	return defaultBurst
}

// A quota is what is left of a Quota. It is safe for concurrent use.
type quota struct {
	now func() time.Time

	mu            sync.Mutex // makes one step of what concerns both buckets
	events, bytes bucket     // guarded by mu
	latest        time.Time  // guarded by mu: when they were last asked
}

// newQuota returns a quota of which nothing is used.
func newQuota(q Quota, now func() time.Time) *quota {
	return &quota{
		now: now, events: newBucket(q.Events, q.burst()), bytes: newBucket(q.Bytes, q.burst()),
	}
}

// at is the time, which never goes back: what lies between a request that is asked
// about late and one that has overtaken it is earned once. The caller holds q.mu.
func (q *quota) at() time.Time {
	if now := q.now(); now.After(q.latest) {
		q.latest = now
	}
	return q.latest
}

// set changes what may be sent from now on. What was used stays used.
func (q *quota) set(to Quota) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.at()
	q.events.set(now, to.Events, to.burst())
	q.bytes.set(now, to.Bytes, to.burst())
}

// wait is how long until something is left, zero where something is.
func (q *quota) wait() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.at()
	return max(q.events.wait(now), q.bytes.wait(now))
}

// take takes a batch from both buckets where both have something left, and
// returns zero; else it takes nothing and returns how long to wait.
func (q *quota) take(events, bytes int) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.at()
	if wait := max(q.events.wait(now), q.bytes.wait(now)); wait > 0 {
		return wait
	}
	q.events.take(now, events)
	q.bytes.take(now, bytes)
	return 0
}

// A bucket is a token bucket that may owe: whoever takes more than is in it is
// waited for. The zero value is without bound.
type bucket struct {
	limiter *rate.Limiter
	burst   int
}

func newBucket(perSecond float64, burst time.Duration) bucket {
	if perSecond == 0 {
		return bucket{}
	}
	size := burstOf(perSecond, burst)
	return bucket{limiter: rate.NewLimiter(rate.Limit(perSecond), size), burst: size}
}

// burstOf is what is earned in a time: at least one, or nothing would ever get
// in.
func burstOf(perSecond float64, burst time.Duration) int {
	const most = 1 << 53 // beyond it numbers have gaps
	return int(min(max(perSecond*burst.Seconds(), 1), most))
}

func (b *bucket) set(now time.Time, perSecond float64, burst time.Duration) {
	if b.limiter == nil || perSecond == 0 {
		*b = newBucket(perSecond, burst)
		return
	}
	b.burst = burstOf(perSecond, burst)
	b.limiter.SetLimitAt(now, rate.Limit(perSecond))
	b.limiter.SetBurstAt(now, b.burst)
}

// wait is how long until there is one in the bucket.
func (b *bucket) wait(now time.Time) time.Duration {
	if b.limiter == nil {
		return 0
	}
	const rounding = 1e-6 // whoever waits as long as he is told must not come a nanosecond early
	lacks := 1 - b.limiter.TokensAt(now)
	if lacks <= rounding {
		return 0
	}
	const longest = 365 * 24 * time.Hour // beyond it a duration could overflow
	return max(time.Duration(min(lacks/float64(b.limiter.Limit())*float64(time.Second), float64(longest))), 1)
}

// take takes n, whether or not there are as many.
func (b *bucket) take(now time.Time, n int) {
	if b.limiter == nil || n <= 0 {
		return
	}
	if n > b.burst { // the limiter refuses what is larger than its burst
		b.limiter.SetBurstAt(now, n)
		defer b.limiter.SetBurstAt(now, b.burst)
	}
	b.limiter.ReserveN(now, n)
}
