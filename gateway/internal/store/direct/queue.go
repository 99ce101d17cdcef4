package direct

import (
	"sync"
	"sync/atomic"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// A pending append waits for its records to be decided.
type pending struct {
	records  []store.Record
	receipts []store.Receipt // each is written by who decides it, once
	queued   time.Time

	write   []int // indexes of the records to write; those before next are taken
	next    int   // guarded by the queue's mu
	bytes   int
	left    atomic.Int64  // records without a receipt
	decided chan struct{} // closed when none is left
}

// newPending returns the append of records. What has no place in a destination
// is decided at once.
func newPending(records []store.Record, now time.Time) *pending {
	p := &pending{records: records, receipts: make([]store.Receipt, len(records)), queued: now, decided: make(chan struct{})}
	for i := range records {
		r := &records[i]
		if r.Kind == store.KindEvent || r.Kind == store.KindRefused {
			p.write = append(p.write, i)
			p.bytes += sizeOf(r)
			continue
		}
		p.receipts[i] = store.Receipt{Status: daybook.Dropped, ID: r.Event.ID}
	}
	if p.left.Store(int64(len(p.write))); len(p.write) == 0 {
		close(p.decided)
	}
	return p
}

// An item is one record of a pending append.
type item struct {
	from  *pending
	index int
}

func (i item) record() *store.Record { return &i.from.records[i.index] }

// decide gives the record its receipt, and the append its answer with the last.
func (i item) decide(r store.Receipt) {
	r.ID = i.record().Event.ID
	i.from.receipts[i.index] = r
	if i.from.left.Add(-1) == 0 {
		close(i.from.decided)
	}
}

// sizeOf is about what a record is in memory and on the wire.
func sizeOf(r *store.Record) int {
	e := &r.Event
	return 128 + len(e.ID) + len(e.Name) + len(e.Type) + len(e.Actor) + len(e.Metadata) + len(e.IdempotencyKey)
}

// A queue holds the appends that wait for a writer, in order.
type queue struct {
	maxBytes int
	group    limits

	mu      sync.Mutex
	waiting []*pending // guarded by mu, like everything below
	bytes   int        // of the records that no writer has taken
	closed  bool
	filled  sync.Cond // waiting is not empty, or closed
}

func newQueue(o Options) *queue {
	q := &queue{maxBytes: o.QueueBytes, group: limits{events: o.MaxEvents, bytes: o.MaxBytes}}
	q.filled.L = &q.mu
	return q
}

// put queues p. It never waits: what cannot be written soon is refused now.
func (q *queue) put(p *pending) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return daybook.ErrClosed
	case len(p.write) == 0:
		return nil
	case len(q.waiting) > 0 && q.bytes+p.bytes > q.maxBytes:
		// One append of any size is taken by an empty queue, or it never could be.
		return overloaded()
	}
	q.waiting = append(q.waiting, p)
	q.bytes += p.bytes
	q.filled.Signal()
	return nil
}

// take waits for records and returns the next group of them, and false when the
// queue is closed and empty. What is left for the next group wakes another
// writer.
func (q *queue) take() (*group, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 {
		if q.closed {
			return nil, false
		}
		q.filled.Wait()
	}
	g := newGroup(q.group)
	for len(q.waiting) > 0 && q.fill(g, q.waiting[0]) {
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
	}
	if len(q.waiting) > 0 {
		q.filled.Signal()
	}
	return g, true
}

// fill adds to g what there is of p, and reports whether that was all.
func (q *queue) fill(g *group, p *pending) (all bool) {
	for ; p.next < len(p.write); p.next++ {
		i := item{from: p, index: p.write[p.next]}
		if !g.add(i) {
			return false
		}
		q.bytes -= sizeOf(i.record())
	}
	return true
}

// close ends the queue: nothing more is taken in, what waits is still written.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.filled.Broadcast()
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
