package deliver

import (
	"context"
	"sync"
	"time"

	"daybook.dev/gateway/internal/store"
)

// maxNodes is how many records and runs a window may have. It bounds the ranges
// of a cursor, and how many events may wait for word from their callers.
const maxNodes = 1 << 17

// A lane delivers to one destination. Its loop (run) reads and begins writes;
// each write has a goroutine of its own, which notes what came of it.
type lane struct {
	Destination
	*shared

	kick    chan struct{}  // room for one: something changed that the loop must look at
	slots   chan struct{}  // a token for each write under way
	flights sync.WaitGroup // the goroutines of writes
	opened  store.Position // the newest record when the engine was opened
	onDisk  bool           // a cursor was found then

	mu      sync.Mutex // guards everything below
	window  window
	rest    rest // read, and not taken into the window yet
	account account
	pending pending
	health  health
	letters letters
	awaited awaited
	dirty   bool // the cursor on disk is behind
	stale   bool // it is, but only in what another look at the store would show
	savedAt time.Time
	unsaved int  // attempts in a row to write it that failed
	closed  bool // no further write begins
}

func newLane(s *shared, d Destination) *lane {
	return &lane{
		Destination: d,
		shared:      s,
		kick:        make(chan struct{}, 1),
		slots:       make(chan struct{}, d.Concurrency),
		window:      window{held: map[store.Position]*node{}},
		pending:     pending{busy: map[string]int{}, aloft: map[string]int{}, ids: map[string]bool{}},
		awaited:     awaited{late: map[store.Position]store.Position{}},
	}
}

// run reads and begins writes until stop ends, and returns after every write
// has.
func (l *lane) run(stop context.Context) {
	defer l.close()
	if !l.begin(stop) {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for stop.Err() == nil {
		news := l.feed.news() // before looking, or news in between are missed
		more := l.fill(stop)
		due := l.launch()
		if more {
			continue
		}
		timer.Stop()
		var alarm <-chan time.Time
		if !due.IsZero() {
			timer.Reset(time.Until(due))
			alarm = timer.C
		}
		select {
		case <-stop.Done():
		case <-l.kick:
		case <-news:
		case <-alarm:
		}
	}
}

// begin brings the cursor to disk, so that where the destination began is known
// for good, and finds the dead letters that the cursor does not know. It tries
// until it succeeds, or returns false when stop ends.
func (l *lane) begin(stop context.Context) bool {
	for failures := 1; ; failures++ {
		err := l.exhume(stop)
		if err == nil && !l.onDisk {
			err = l.saver.flush(stop, l)
		}
		if stop.Err() != nil {
			return false
		}
		if err == nil {
			return true
		}
		if failures == 1 {
			l.options.Log.Error("delivery cannot begin", "destination", l.Name, "err", err)
		}
		pause(stop, backoff(failures, mostProbe, 1))
	}
}

// close lets nobody begin a write any more, and returns after the last has ended.
func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.flights.Wait()
}

// poke makes the loop look again.
func (l *lane) poke() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// staleTime is how long a cursor may be stale. A destination that wants nothing
// of what is stored need not write its cursor all the time.
const staleTime = 5 * time.Second

// freshen has a stale cursor written when it is time, and returns when that is.
// The caller holds the lock.
func (l *lane) freshen(now time.Time) (due time.Time) {
	if !l.stale || l.dirty {
		return time.Time{}
	}
	if due = l.savedAt.Add(staleTime); due.After(now) {
		return due
	}
	l.touch()
	return time.Time{}
}

// touch says that the cursor on disk is behind. The caller holds the lock.
func (l *lane) touch() {
	if !l.dirty {
		l.dirty = true
		l.saver.poke()
	}
}

// launch begins every write that may begin now. It returns when the next may,
// or the zero time when that depends on something else.
func (l *lane) launch() (due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, at := range []time.Time{l.giveUp(now), l.calm(now), l.freshen(now), l.health.unreadTo} {
		due = earliest(due, at)
	}
	for {
		select {
		case l.slots <- struct{}{}:
		default:
			return due // the end of a write is the next thing to happen
		}
		p, next := l.next(now)
		if p == nil {
			<-l.slots
			return earliest(due, next)
		}
		l.flights.Go(func() {
			l.fly(p)
			<-l.slots
			l.poke()
		})
	}
}

// earliest returns the earlier of two times, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// end finishes n. The caller holds the lock.
func (l *lane) end(n *node, as *uint64) {
	l.pending.leave(n, l.Order)
	l.window.finish(n)
	*as++
}

// advance moves the cursor's low position. The caller holds the lock.
func (l *lane) advance() {
	low := l.window.low
	evicted := l.window.settle()
	l.account.counts.Evicted += evicted
	l.stale = l.stale || l.window.low != low
	if evicted > 0 {
		l.touch()
	}
}
