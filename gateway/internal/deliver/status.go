package deliver

import (
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
	"daybook.dev/gateway/internal/store"
)

// A State is what a destination is doing.
type State string

// The states.
const (
	StateIdle          State = "idle"          // everything is delivered
	StateDelivering    State = "delivering"    // events wait or are under way
	StateRetrying      State = "retrying"      // the last write failed
	StateOpen          State = "open"          // writes have failed for long: the breaker is open, only probes are made
	StateThrottled     State = "throttled"     // the destination asked for time
	StateMisconfigured State = "misconfigured" // a person has to act
	StateUnreadable    State = "unreadable"    // the store cannot be read
)

// A Status is what one destination is doing, and what became of its events.
type Status struct {
	Name  string
	State State

	Low store.Position // everything up to here is finished

	// Stored is how many events there were since the destination's start. It is
	// Delivered + Dead + Filtered + Evicted + Queued, exactly, unless Off is
	// not zero: that many events were seen that nobody stored, a mistake in the
	// books.
	Stored uint64
	Counts
	Retried uint64 // of those delivered: they had been dead before
	Queued  uint64
	Off     int64

	Unfinished int // events in memory: read and not finished
	Writes     int // under way

	// Oldest is when the oldest event was received that is not finished, as far
	// as it was read. Zero means that there is none.
	Oldest time.Time

	Attempts map[string]uint64 // writes by the word of their class

	Last *LastFault // nil = no write has failed yet
	Next time.Time  // when a destination that fails is tried again; zero = it does not fail
}

// A LastFault is why the last write failed that did.
type LastFault struct {
	At      time.Time
	Code    daybook.Code
	Reason  string // stable word
	Message string // sentence for people
}

// Lag is how long ago the oldest unfinished event was received.
func (s *Status) Lag(now time.Time) time.Duration {
	if s.Oldest.IsZero() {
		return 0
	}
	return max(0, now.Sub(s.Oldest))
}

// Status returns the state of all destinations, in the order they were given.
func (e *Engine) Status() []Status {
	all := make([]Status, len(e.lanes))
	for i, l := range e.lanes {
		all[i] = l.status(time.Now())
	}
	return all
}

func (l *lane) status(now time.Time) Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Under the lock: nothing finished may be missing from what is stored.
	tallies := l.options.Store.Tallies()
	w, h := &l.window, &l.health
	s := Status{
		Name: l.Name, Low: w.low,
		Stored: l.account.stored(tallies[len(tallies)-1]), Counts: l.account.counts, Retried: l.account.retried, Off: l.account.off,
		Unfinished: w.live + len(w.held), Writes: l.pending.writes,
		Attempts: map[string]uint64{},
	}
	s.Queued = s.Stored - min(s.Stored, s.sum())
	for n := w.head; n != nil && s.Oldest.IsZero(); n = n.next {
		s.Oldest = n.received
	}
	for c := range h.attempts {
		s.Attempts[attempt.Class(c).String()] = h.attempts[c].Load()
	}
	if f := h.last; f != nil {
		s.Last = &LastFault{At: h.lastAt, Code: f.code, Reason: f.reason, Message: f.message}
	}
	s.State, s.Next = l.state(now, s.Queued)
	return s
}

// state says what the lane is doing, and when a failing destination is tried
// again. The caller holds the lock.
func (l *lane) state(now time.Time, queued uint64) (State, time.Time) {
	h := &l.health
	b := &h.breaker
	switch {
	case h.unread > 0:
		return StateUnreadable, h.unreadTo
	case !b.closed() && b.last.class == attempt.Misconfigured:
		return StateMisconfigured, b.next
	case !b.closed() && b.last.class == attempt.Throttled:
		return StateThrottled, b.next
	case b.open():
		return StateOpen, b.next
	case !b.closed():
		return StateRetrying, b.next
	case now.Before(h.pause):
		return StateThrottled, h.pause
	case h.said == attempt.Misconfigured:
		return StateMisconfigured, time.Time{}
	case queued > 0:
		return StateDelivering, time.Time{}
	}
	return StateIdle, time.Time{}
}

// A Progress says how far one event has come at one destination.
type Progress struct {
	Finished bool   // delivered, dead, filtered or evicted: what of these, the store's records about it say
	Read     bool   // it was read; false = it waits in the store
	InFlight bool   // it is in a write under way
	Awaited  bool   // whoever accepted it tries, or has tried
	Attempts uint32 // so far, since the last start
	Reason   string // why the last of them failed; "" = none has
}

// Progress says how far the event at a position has come. It returns false when
// there is no such destination, or when the destination began behind the event.
func (e *Engine) Progress(destination string, at store.Position) (Progress, bool) {
	l := e.lane(destination)
	if l == nil {
		return Progress{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at <= l.account.start {
		return Progress{}, false
	}
	p := Progress{Finished: l.window.complete(at), Read: at <= l.window.read}
	if n := l.window.find(at); n != nil {
		p.InFlight, p.Awaited = n.state == flying, n.state == held
		if n.load != nil {
			p.Attempts = n.load.attempts
			if n.load.fault != nil {
				p.Reason = n.load.fault.reason
			}
		}
	}
	return p, true
}
