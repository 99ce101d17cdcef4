package deliver

import (
	"context"
	"slices"
	"time"

	"daybook.dev/gateway/internal/store"
)

// A rest is what was read and has found no room in the window yet.
type rest struct {
	entries []store.Entry
	last    store.Position // nothing else lies between the last entry and it
}

// full reports whether nothing more may be read now. The caller holds the lock.
func (l *lane) full() bool {
	w := &l.window
	return w.live >= l.mostEvents() || w.liveBytes >= l.mostBytes() || w.nodes >= maxNodes
}

// fill takes what the store has next into the window, as far as there is room.
// It reports whether there may be more right away.
func (l *lane) fill(ctx context.Context) (more bool) {
	l.mu.Lock()
	wait := l.full() || time.Now().Before(l.health.unreadTo)
	after, left := l.window.read, l.rest.last > l.window.read
	l.mu.Unlock()
	if wait {
		return false
	}
	var found rest
	if !left {
		var err error
		found.entries, found.last, err = l.feed.next(ctx, after)
		if !l.readable(err) {
			return false
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !left {
		l.rest = found
	}
	if l.rest.last <= l.window.read {
		l.awaited.tail = time.Now()
		return false
	}
	l.take()
	return !l.full()
}

// take moves what was read into the window, as far as there is room. The caller
// holds the lock.
func (l *lane) take() {
	now := time.Now()
	for len(l.rest.entries) > 0 && !l.full() {
		l.takeEntry(&l.rest.entries[0], now)
		l.rest.entries = l.rest.entries[1:]
	}
	if len(l.rest.entries) == 0 {
		l.reach(l.rest.last)
		l.rest = rest{}
	}
	if l.window.read >= l.opened {
		clear(l.letters.found) // those of events that are not kept any more
		l.awaited.forget(l.opened)
	}
	l.stale = true
	l.advance()
}

func (l *lane) takeEntry(e *store.Entry, now time.Time) {
	if e.Position <= l.window.read {
		return
	}
	l.reach(e.Position - 1)
	again := l.window.resume(e.Position)
	l.window.read = e.Position
	switch {
	case again: // finished in an earlier life
	case e.Kind == store.KindEvent:
		l.takeEvent(e, now)
	case e.Kind == store.KindSettled && e.Settlement.Destination == l.Name:
		l.takeSettled(e)
	}
}

func (l *lane) takeEvent(e *store.Entry, now time.Time) {
	w, c := &l.window, &l.account.counts
	own := span{First: e.Position, Last: e.Position, Events: 1}
	switch {
	case l.letters.found[e.Position] != 0:
		if slices.Contains(e.Awaited, l.Name) {
			l.awaited.remember(e.Position, l.letters.found[e.Position])
		}
		delete(l.letters.found, e.Position)
		c.Dead++
		w.done(own, 0)
		l.touch()
	case slices.Contains(e.Awaited, l.Name):
		w.push(&node{first: e.Position, last: e.Position, state: held, since: now, received: e.Received})
	case !l.Wants(&e.Record):
		c.Filtered++
		w.done(own, 0)
	default:
		n := newFresh(e, now)
		w.push(n)
		l.pending.add(n)
	}
}

// reach notes that everything up to a position was looked at, but for what was
// taken it holds nothing any more. The caller holds the lock.
func (l *lane) reach(to store.Position) {
	w := &l.window
	if to > w.read {
		w.resume(to)
		w.read = to
		l.account.suspect(to, l.options.Store)
	}
	l.compare()
}
