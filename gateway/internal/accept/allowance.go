package accept

import (
	"strings"
	"sync"
	"time"
)

// defaultQuarantine is how many bytes of one caller's events are set aside in an
// hour.
const defaultQuarantine = 64 << 20

// An allowance bounds how much of each caller's events is set aside, in bytes:
// that many at once, and as many again in an hour. Bad events must not take the
// room of good ones. The zero value is ready.
type allowance struct {
	mu   sync.Mutex
	left map[string]balance // by caller; guarded by mu. Callers are configured, so they are few
}

// A balance is how much a caller had left at some time.
type balance struct {
	bytes float64
	at    time.Time
}

// spend takes bytes from what a caller has left, and reports whether there was as
// much.
func (a *allowance) spend(caller string, bytes, hourly int, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, known := a.left[caller]
	switch {
	case !known:
		b = balance{bytes: float64(hourly), at: now}
	case now.After(b.at):
		b.bytes = min(float64(hourly), b.bytes+now.Sub(b.at).Hours()*float64(hourly))
		b.at = now
	}
	if enough := b.bytes >= float64(bytes); !enough {
		return false
	}
	b.bytes -= float64(bytes)
	a.set(caller, b)
	return true
}

// refund gives bytes back that were not used.
func (a *allowance) refund(caller string, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.left[caller]
	b.bytes += float64(bytes)
	a.set(caller, b)
}

// set must be called with mu held.
func (a *allowance) set(caller string, b balance) {
	if a.left == nil {
		a.left = map[string]balance{}
	}
	if _, known := a.left[caller]; !known {
		caller = strings.Clone(caller) // it may be a part of a whole request
	}
	a.left[caller] = b
}
