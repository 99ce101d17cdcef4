package deliver

import (
	"slices"
	"time"
)

// pending is what a lane has to do: events that were never tried, in the order
// of the store, and pieces, which were. The lane's lock guards it.
type pending struct {
	fresh []*node // some may have been finished meanwhile: they are passed over
	count int     // of those that are not
	bytes int

	pieces []*piece

	// busy counts the events of an actor that were tried and are not finished,
	// aloft those of them that are in a write. Only for ByActor.
	busy, aloft map[string]int

	writes int // under way

	ids map[string]bool // of the batch that cut is making; kept for the next
}

// A piece is events that are written together: a batch, or what is left of one.
// No two of them have the same id, by which a sink names what it has not taken.
type piece struct {
	nodes []*node
	tries int       // writes of it that failed
	first time.Time // when the first of them began
	due   time.Time // not to be tried before
	dying bool      // its events are to become dead letters
}

// add takes a fresh event.
func (q *pending) add(n *node) {
	q.fresh = append(q.fresh, n)
	q.count++
	q.bytes += n.load.bytes
}

// leave notes that n is finished.
func (q *pending) leave(n *node, order Order) {
	switch {
	case n.state == fresh:
		q.count--
		q.bytes -= n.load.bytes
	case order == ByActor && n.load != nil && n.load.event.Actor != "":
		decrement(q.busy, n.load.event.Actor)
	}
}

func decrement(counts map[string]int, name string) {
	if counts[name]--; counts[name] <= 0 {
		delete(counts, name)
	}
}

// next returns what may be written now, or else when to look again; no time
// when that depends on the end of a write or on news. The caller holds the lock
// and a slot.
func (l *lane) next(now time.Time) (p *piece, due time.Time) {
	q := &l.pending
	if p := q.take(now, func(p *piece) bool { return p.dying }); p != nil {
		return p, time.Time{}
	}
	due = q.due(func(p *piece) bool { return p.dying })
	if now.Before(l.health.pause) {
		return nil, earliest(due, l.health.pause)
	}
	if !l.health.breaker.closed() {
		p, probe := l.probe(now)
		return p, earliest(due, probe)
	}
	if p := q.take(now, l.mayFly); p != nil {
		return l.begins(p, now), time.Time{}
	}
	due = earliest(due, q.due(l.mayFly))
	ready := l.ready(now)
	if !ready.IsZero() && !ready.After(now) {
		if p := l.cut(); p != nil {
			return l.begins(p, now), time.Time{}
		}
		return nil, due // events of busy actors: the end of a write wakes the lane
	}
	return nil, earliest(due, ready)
}

// probe returns what to try at a destination that takes nothing, if it is time:
// what is due, what was never tried, or what comes first.
func (l *lane) probe(now time.Time) (p *piece, due time.Time) {
	if l.pending.writes > 0 {
		return nil, time.Time{}
	}
	if now.Before(l.health.breaker.next) {
		return nil, l.health.breaker.next
	}
	if p = l.pending.take(now, l.mayFly); p == nil {
		p = l.cut()
	}
	if p == nil {
		p = l.pending.take(l.pending.due(l.mayFly), l.mayFly)
	}
	if p == nil {
		return nil, time.Time{}
	}
	return l.begins(p, now), time.Time{}
}

// begins notes that a piece is about to be written.
func (l *lane) begins(p *piece, now time.Time) *piece {
	l.pending.writes++
	if p.first.IsZero() {
		p.first = now
	}
	for _, n := range p.nodes {
		n.state = flying
		if l.Order == ByActor && n.load.event.Actor != "" {
			l.pending.aloft[n.load.event.Actor]++
		}
	}
	return p
}

// lands is the opposite of begins. The events are not finished yet.
func (l *lane) lands(p *piece) {
	l.pending.writes--
	for _, n := range p.nodes {
		n.state = waiting
		if l.Order == ByActor && n.load.event.Actor != "" {
			decrement(l.pending.aloft, n.load.event.Actor)
		}
	}
}

// mayFly reports whether a piece may be written as far as the order goes: none
// of its actors is in a write, or has an earlier event in another piece.
func (l *lane) mayFly(p *piece) bool {
	if p.dying {
		return false
	}
	if l.Order != ByActor {
		return true
	}
	for _, other := range l.pending.pieces {
		if other != p && !other.dying && other.nodes[0].first < p.nodes[0].first && shareActor(other, p) {
			return false
		}
	}
	return !slices.ContainsFunc(p.nodes, func(n *node) bool { return l.pending.aloft[n.load.event.Actor] > 0 })
}

func shareActor(a, b *piece) bool {
	actors := map[string]bool{}
	for _, n := range a.nodes {
		actors[n.load.event.Actor] = true
	}
	return slices.ContainsFunc(b.nodes, func(n *node) bool {
		return n.load.event.Actor != "" && actors[n.load.event.Actor]
	})
}

// put takes a piece that is to be tried, or tried again.
func (q *pending) put(p *piece) {
	if len(p.nodes) > 0 {
		q.pieces = append(q.pieces, p)
	}
}

// take returns the piece that has been due for the longest, if there is one, of
// those that may.
func (q *pending) take(now time.Time, may func(*piece) bool) *piece {
	best := -1
	for i, p := range q.pieces {
		if !p.due.After(now) && (best < 0 || p.due.Before(q.pieces[best].due)) && may(p) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	p := q.pieces[best]
	q.pieces = slices.Delete(q.pieces, best, best+1)
	return p
}

// withdraw takes n, which waits, out of its piece.
func (q *pending) withdraw(n *node) {
	for i, p := range q.pieces {
		at := slices.Index(p.nodes, n)
		if at < 0 {
			continue
		}
		p.nodes = append(slices.Clone(p.nodes[:at]), p.nodes[at+1:]...) // the other half has the same array
		if len(p.nodes) == 0 {
			q.pieces = slices.Delete(q.pieces, i, i+1)
		}
		return
	}
}

// due is when the first of the pieces that may is due.
func (q *pending) due(may func(*piece) bool) (due time.Time) {
	for _, p := range q.pieces {
		if may(p) {
			due = earliest(due, p.due)
		}
	}
	return due
}

// ready is when the fresh events make a batch: now, when enough of them wait or
// no more can be read. Zero means that there are none.
func (l *lane) ready(now time.Time) time.Time {
	q := &l.pending
	if q.count == 0 {
		return time.Time{}
	}
	if q.count >= l.Batch.Events || q.bytes >= l.Batch.Bytes || l.full() {
		return now
	}
	for _, n := range q.fresh {
		if n.state == fresh {
			return n.since.Add(l.Batch.Age)
		}
	}
	return time.Time{}
}

// cut makes a batch of fresh events. What may not be in it stays: the second of
// two with one id, the events of an actor that is busy.
func (l *lane) cut() *piece {
	q := &l.pending
	p := &piece{}
	bytes := 0
	clear(q.ids)
	var left map[string]bool // actors of events that stay
	kept := q.fresh[:0]
	for i, n := range q.fresh {
		if n.state != fresh {
			continue
		}
		if len(p.nodes) >= l.Batch.Events || len(p.nodes) > 0 && bytes+n.load.bytes > l.Batch.Bytes {
			kept = append(kept, q.fresh[i:]...)
			break
		}
		e := &n.load.event
		ordered := l.Order == ByActor && e.Actor != ""
		if q.ids[e.ID] || ordered && (q.busy[e.Actor] > 0 || left[e.Actor]) {
			if ordered {
				if left == nil {
					left = map[string]bool{}
				}
				left[e.Actor] = true
			}
			kept = append(kept, n)
			continue
		}
		q.ids[e.ID] = true
		p.nodes = append(p.nodes, n)
		bytes += n.load.bytes
	}
	clear(q.fresh[len(kept):])
	q.fresh = kept
	l.leaves(p)
	if len(p.nodes) == 0 {
		return nil
	}
	return p
}

// leaves notes that the events of a new piece are not fresh any more.
func (l *lane) leaves(p *piece) {
	q := &l.pending
	for _, n := range p.nodes {
		n.state = waiting
		q.count--
		q.bytes -= n.load.bytes
		if l.Order == ByActor && n.load.event.Actor != "" {
			q.busy[n.load.event.Actor]++
		}
	}
}
