package deliver

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
	"daybook.dev/gateway/internal/store"
)

// awaited is what a lane knows about events that their callers waited for. The
// lane's lock guards it.
//
// Such an event is not written by the lane: whoever accepted it has tried the
// destination, and what came of it follows in the store as a settlement. One
// that nobody settled has a caller who was told nothing, or something that was
// not kept: it becomes a dead letter, "outcome unknown".
type awaited struct {
	// tail is when the lane last had read everything there was.
	tail time.Time

	// late has the letters of events that became dead because their outcome was
	// not known, by event. A settlement may still come.
	late map[store.Position]store.Position

	look time.Time // when to look for unsettled ones again
}

// manyLate bounds how many late settlements are waited for.
const manyLate = 1024

// reasonRetried is the reason of a settlement by somebody who delivered a dead
// letter: the event then counts as delivered. It is written once per letter, and
// only when the destination has taken the event.
const reasonRetried = "retried"

func outcomeUnknown() *fault {
	return &fault{
		class: attempt.Permanent, code: daybook.Unavailable, reason: "outcome_unknown",
		message: "whether the destination took the event is not known: the gateway ended while the caller waited",
	}
}

func (a *awaited) remember(event, letter store.Position) {
	for old := range a.late {
		if len(a.late) < manyLate {
			break
		}
		delete(a.late, old)
	}
	a.late[event] = letter
}

// forget lets go of letters up to a position: who could have settled their events
// has ended, and everything it stored was read.
func (a *awaited) forget(through store.Position) {
	maps.DeleteFunc(a.late, func(_, letter store.Position) bool { return letter <= through })
}

// unknown lists the late ones for the cursor.
func (a *awaited) unknown() (list []unsettled) {
	for event, letter := range a.late {
		list = append(list, unsettled{Event: event, Letter: letter})
	}
	slices.SortFunc(list, func(a, b unsettled) int { return cmp.Compare(a.Event, b.Event) })
	return list
}

// takeSettled takes a settlement for this destination into the window. The
// caller holds the lock.
func (l *lane) takeSettled(e *store.Entry) {
	w, c, s := &l.window, &l.account.counts, e.Settlement
	n := w.find(s.Position)
	switch {
	case s.Position <= l.account.start: // about an event of before
	case n == nil:
		if s.Status == daybook.Stored && w.complete(s.Position) && l.revives(e) && c.Dead > 0 {
			c.Dead--
			c.Delivered++
			l.account.retried++
		}
	case n.state == flying || n.state == dying: // what is under way decides
	default:
		l.pending.withdraw(n)
		if s.Status == daybook.Stored {
			l.end(n, &c.Delivered)
		} else {
			l.end(n, &c.Dead) // the settlement is its dead letter
		}
	}
	// In the cursor, so that it is not taken twice.
	w.done(span{First: e.Position, Last: e.Position}, 0)
	l.touch()
}

// revives reports whether a settlement is about an event that is dead, and says
// that it was delivered after all.
func (l *lane) revives(e *store.Entry) bool {
	if e.Settlement.Reason == reasonRetried {
		return true
	}
	letter, late := l.awaited.late[e.Settlement.Position]
	delete(l.awaited.late, e.Settlement.Position)
	return late && letter < e.Position
}

// giveUp makes dead letters of events that nobody will settle any more: those of
// an earlier life, once everything of it was read, and those that have waited
// for too long. It returns when to look again. The caller holds the lock.
func (l *lane) giveUp(now time.Time) (due time.Time) {
	a, w := &l.awaited, &l.window
	if len(w.held) == 0 {
		return time.Time{}
	}
	if now.Before(a.look) && w.nodes < maxNodes {
		return a.look
	}
	a.look = now.Add(time.Second)
	patience := l.options.Grace + l.Timeout
	p := &piece{dying: true}
	for at, n := range w.held {
		old := at <= l.opened && w.read >= l.opened
		// Only what was waited for with everything read is really missing, but
		// for a window that is full of nothing else.
		late := now.Sub(n.since) >= patience && (a.tail.Sub(n.since) >= patience || w.nodes >= maxNodes)
		if old || late {
			n.state = dying
			p.nodes = append(p.nodes, n)
		}
	}
	for _, n := range p.nodes {
		delete(w.held, n.first)
	}
	if len(p.nodes) > 0 {
		l.options.Log.Error("nobody said what came of events that callers waited for: they are dead letters",
			"destination", l.Name, "events", len(p.nodes))
	}
	l.pending.put(p)
	if len(w.held) == 0 {
		return time.Time{}
	}
	return a.look
}

// lookUp returns the record of an event again, or what is known without it.
func (l *lane) lookUp(at store.Position) store.Record {
	entries, err := l.options.Store.Read(l.hard, at-1, 1)
	if err != nil || len(entries) == 0 || entries[0].Position != at {
		return store.Record{Kind: store.KindRefused}
	}
	r := entries[0].Record
	return store.Record{
		Kind: store.KindRefused, Event: r.Event, Scope: r.Scope,
		Caller: r.Caller, Protocol: r.Protocol, Instance: r.Instance, Received: r.Received,
	}
}
