package deliver

import (
	"cmp"
	"slices"
	"time"
)

// pending is what a lane has to do: events that were never tried, in the order
// of the store, and pieces, which were. The lane's lock guards it.
type pending struct {
	fresh []*node // some may have been finished meanwhile: they are passed over
	count int     // of those that are not
	bytes int

	pieces []*piece // to be tried again, in the order of the store
	dying  []*piece // to become dead letters

	// busy counts the events of an actor that were tried and are not finished,
	// aloft those of them that are in a write. Only for ByActor.
	busy, aloft map[string]int

	writes int // under way

	ids map[string]bool // of the batch that cut is making; kept for the next
}

// A piece is events that are written together: a batch, or what is left of one.
// No two of them have the same id, by which a sink names what it has not taken.
type piece struct {
	nodes []*node   // at least one
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

// put takes a piece, unless it is empty.
func (q *pending) put(p *piece) {
	switch {
	case len(p.nodes) == 0:
	case p.dying:
		q.dying = append(q.dying, p)
	default:
		at, _ := slices.BinarySearchFunc(q.pieces, p, func(a, b *piece) int { return cmp.Compare(a.nodes[0].first, b.nodes[0].first) })
		q.pieces = slices.Insert(q.pieces, at, p)
	}
}

// remove takes a piece out again.
func (q *pending) remove(p *piece) {
	list := &q.pieces
	if p.dying {
		list = &q.dying
	}
	at := slices.Index(*list, p)
	*list = slices.Delete(*list, at, at+1)
}

// withdraw takes n, which is not fresh any more and not in a write, out of its
// piece.
func (q *pending) withdraw(n *node) {
	for _, p := range q.pieces {
		at := slices.Index(p.nodes, n)
		if at < 0 {
			continue
		}
		q.remove(p)
		p.nodes = slices.Concat(p.nodes[:at], p.nodes[at+1:]) // the other half has the same array
		q.put(p)
		return
	}
}

// leave notes that n is finished.
func (q *pending) leave(n *node, order Order) {
	switch {
	case n.state == fresh:
		q.count--
		q.bytes -= n.load.bytes
	case n.load != nil && n.load.ordered(order):
		decrement(q.busy, n.load.event.Actor)
	}
}

// ordered reports whether the event must not overtake others.
func (l *load) ordered(order Order) bool { return order == ByActor && l.event.Actor != "" }

func decrement(counts map[string]int, name string) {
	if counts[name]--; counts[name] <= 0 {
		delete(counts, name)
	}
}

// able returns the pieces that may be written as far as the order goes: none of
// their actors is in a write, or has an event in an earlier piece.
func (q *pending) able(order Order) []*piece {
	if order == Unordered || len(q.pieces) == 0 {
		return q.pieces
	}
	var able []*piece
	earlier := map[string]bool{}
	for _, p := range q.pieces {
		blocked := slices.ContainsFunc(p.nodes, func(n *node) bool {
			return earlier[n.load.event.Actor] || q.aloft[n.load.event.Actor] > 0
		})
		if !blocked {
			able = append(able, p)
		}
		for _, n := range p.nodes {
			if n.load.ordered(order) {
				earlier[n.load.event.Actor] = true
			}
		}
	}
	return able
}

// soonest returns the piece that is due first, or nil, and when that is.
func soonest(pieces []*piece) (first *piece, due time.Time) {
	for _, p := range pieces {
		if first == nil || p.due.Before(first.due) {
			first, due = p, p.due
		}
	}
	return first, due
}

// cut makes a batch of fresh events, or returns nil. What may not be in it
// stays: the second of two with one id, the events of an actor that is busy.
func (q *pending) cut(most Batch, order Order) *piece {
	p := &piece{}
	bytes := 0
	clear(q.ids)
	left := map[string]bool{} // actors of events that stay
	kept := q.fresh[:0]
	for i, n := range q.fresh {
		if n.state != fresh {
			continue
		}
		if len(p.nodes) >= most.Events || len(p.nodes) > 0 && bytes+n.load.bytes > most.Bytes {
			kept = append(kept, q.fresh[i:]...)
			break
		}
		e := &n.load.event
		ordered := n.load.ordered(order)
		if q.ids[e.ID] || ordered && (q.busy[e.Actor] > 0 || left[e.Actor]) {
			left[e.Actor] = true
			kept = append(kept, n)
			continue
		}
		q.ids[e.ID] = true
		p.nodes = append(p.nodes, n)
		bytes += n.load.bytes
	}
	clear(q.fresh[len(kept):])
	q.fresh = kept
	if len(p.nodes) == 0 {
		return nil
	}
	q.cutOff(p, order)
	return p
}

// cutOff notes that the events of a new batch are not fresh any more.
func (q *pending) cutOff(p *piece, order Order) {
	for _, n := range p.nodes {
		n.state = waiting
		q.count--
		q.bytes -= n.load.bytes
		if n.load.ordered(order) {
			q.busy[n.load.event.Actor]++
		}
	}
}

// begins notes that a piece is about to be written.
func (q *pending) begins(p *piece, order Order, now time.Time) {
	q.writes++
	if p.first.IsZero() {
		p.first = now
	}
	for _, n := range p.nodes {
		n.state = flying
		if n.load.ordered(order) {
			q.aloft[n.load.event.Actor]++
		}
	}
}

// lands is the opposite of begins. The events are not finished yet.
func (q *pending) lands(p *piece, order Order) {
	q.writes--
	for _, n := range p.nodes {
		n.state = waiting
		if n.load.ordered(order) {
			decrement(q.aloft, n.load.event.Actor)
		}
	}
}
