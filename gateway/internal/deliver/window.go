package deliver

import (
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// A state is what is being done about a record.
type state uint8

const (
	finished state = iota // nothing more: delivered, dead, filtered; stands for a run of such records
	fresh                 // read, and not tried yet
	waiting               // tried, and to be tried again
	flying                // in a write under way
	held                  // its caller waits: what the destination said follows in the store
	dying                 // refused for good; its dead letter is not safe yet
)

// A node is a record in the window, or a run of finished ones.
type node struct {
	prev, next *node // neighbours, by position

	first, last store.Position // equal but for runs
	state       state
	events      uint64 // events among the records; 1 but for runs
	missing     uint64 // events that were found to be missing before last; of runs only

	since    time.Time // when it was read
	received time.Time // when the gateway received it; of unfinished ones
	load     *load     // nil for finished and held ones
}

// A load is what is needed of an event as long as it is not finished.
type load struct {
	event    daybook.Event
	bytes    int
	attempts uint32
	fault    *fault // why the last attempt failed
}

// newFresh returns the node of an event that is to be written.
func newFresh(e *store.Entry, now time.Time) *node {
	both := &struct { // one allocation
		node
		load
	}{
		node{first: e.Position, last: e.Position, state: fresh, since: now, received: e.Received},
		load{event: e.Event, bytes: eventBytes(&e.Event)},
	}
	both.node.load = &both.load
	return &both.node
}

// A window is what a destination has read and not finished, in the order of the
// store, with what is finished in between. Neighbours that are finished become
// one run, so it takes room for what is unfinished, not for what lies between.
// Its lane's lock guards it.
type window struct {
	head, tail *node
	nodes      int

	low       store.Position // everything up to here is finished
	lowEvents uint64         // events up to low, since the start, missing ones included
	read      store.Position // the last position looked at
	seen      uint64         // as lowEvents, up to read

	// ahead are the runs that an earlier life had finished and that have not
	// been read again yet, by position.
	ahead []span
	skip  store.Position // the end of the last of them that was reached

	live      int // events with a load
	liveBytes int

	held map[store.Position]*node
}

// A span is a run of finished records in a cursor.
type span struct {
	First, Last store.Position
	Events      uint64
}

// push adds an unfinished event at the end.
func (w *window) push(n *node) {
	n.events = 1
	w.append(n)
	w.seen++
	switch {
	case n.state == held:
		w.held[n.first] = n
	case n.load != nil:
		w.live++
		w.liveBytes += n.load.bytes
	}
}

// done adds a finished run at the end, with what was found to be missing.
func (w *window) done(s span, missing uint64) {
	w.seen += s.Events + missing
	if t := w.tail; t != nil && t.state == finished {
		t.last, t.events, t.missing = s.Last, t.events+s.Events, t.missing+missing
		return
	}
	w.append(&node{first: s.First, last: s.Last, events: s.Events, missing: missing})
}

// resume takes the runs of an earlier life that begin up to a position, and
// reports whether the position is in one.
func (w *window) resume(at store.Position) bool {
	for len(w.ahead) > 0 && w.ahead[0].First <= at {
		w.skip = w.ahead[0].Last
		w.done(w.ahead[0], 0)
		w.ahead = w.ahead[1:]
	}
	return at <= w.skip
}

func (w *window) append(n *node) {
	n.prev = w.tail
	if w.tail == nil {
		w.head = n
	} else {
		w.tail.next = n
	}
	w.tail = n
	w.nodes++
}

// finish makes n, which is unfinished, part of the run it belongs to.
func (w *window) finish(n *node) {
	delete(w.held, n.first)
	if n.load != nil {
		w.live--
		w.liveBytes -= n.load.bytes
		*n.load, n.load = load{}, nil // the memory stays with the run, the event need not
	}
	n.state = finished
	if p := n.prev; p != nil && p.state == finished {
		n.first, n.events, n.missing = p.first, n.events+p.events, n.missing+p.missing
		w.remove(p)
	}
	if q := n.next; q != nil && q.state == finished {
		n.last, n.events, n.missing = q.last, n.events+q.events, n.missing+q.missing
		w.remove(q)
	}
}

func (w *window) remove(n *node) {
	if n.prev == nil {
		w.head = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		w.tail = n.prev
	} else {
		n.next.prev = n.prev
	}
	w.nodes--
}

// settle moves low over what is finished, and returns how many of the events it
// passed were missing.
func (w *window) settle() (missing uint64) {
	for n := w.head; n != nil && n.state == finished; n = w.head {
		w.low = n.last
		w.lowEvents += n.events + n.missing
		missing += n.missing
		w.remove(n)
	}
	if w.head == nil {
		w.low = max(w.low, w.read) // what was read behind the last event is about others
	}
	return missing
}

// find returns the unfinished node at a position, or nil.
func (w *window) find(at store.Position) *node {
	if n, ok := w.held[at]; ok {
		return n
	}
	for n := w.tail; n != nil && n.last >= at; n = n.prev {
		if n.first == at && n.state != finished {
			return n
		}
	}
	return nil
}

// complete reports whether the record at a position is finished, as far as it
// was read.
func (w *window) complete(at store.Position) bool {
	if at <= w.low {
		return true
	}
	for _, s := range w.ahead {
		if s.First <= at && at <= s.Last {
			return true
		}
	}
	return at <= w.read && w.find(at) == nil
}

// spans returns the finished runs behind low, read or ahead.
func (w *window) spans() []span {
	var spans []span
	for n := w.head; n != nil; n = n.next {
		if n.state == finished {
			spans = append(spans, span{First: n.first, Last: n.last, Events: n.events})
		}
	}
	return append(spans, w.ahead...)
}
