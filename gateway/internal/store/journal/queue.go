package journal

import (
	"runtime"
	"sync"

	"daybook.dev"
)

// maxGroup is how many bytes are written under one sync, unless a single append
// is larger.
const maxGroup = 8 << 20

// A patience is how much may wait for the writer.
type patience struct{ bytes, appends int }

// While the disk stands still, little is let in: nobody knows for how long it
// has to be held. What waits already is written when the disk goes on.
var (
	usual    = patience{bytes: 64 << 20, appends: 16 << 10}
	whenSlow = patience{bytes: 4 << 20, appends: 1 << 10}
)

// A queue holds the batches that wait for the writer, in order.
type queue struct {
	stall *stall

	mu      sync.Mutex
	waiting []*batch // guarded by mu, like everything below
	bytes   int      // of waiting
	closed  bool
	filled  sync.Cond // waiting is not empty, or closed
}

func newQueue(s *stall) *queue {
	q := &queue{stall: s}
	q.filled.L = &q.mu
	return q
}

// put queues b. It never waits: what cannot be written soon is refused now.
func (q *queue) put(b *batch) error {
	size := b.size()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return daybook.ErrClosed
	}
	// One append of any size is taken by an empty queue, or it never could be.
	if limit := q.patience(); len(q.waiting) > 0 && (q.bytes+size > limit.bytes || len(q.waiting) >= limit.appends) {
		return overloaded()
	}
	q.waiting = append(q.waiting, b)
	q.bytes += size
	q.filled.Signal()
	return nil
}

func (q *queue) patience() patience {
	if q.stall.lasts() >= slow {
		return whenSlow
	}
	return usual
}

// queued is how much waits.
func (q *queue) queued() (bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// take waits for batches and returns those of the next group in dst: as many as
// wait, up to maxGroup bytes, and at least one. None means that the queue is
// closed and empty.
func (q *queue) take(dst []*batch) []*batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 {
		if q.closed {
			return nil
		}
		q.filled.Wait()
	}
	q.gather()
	bytes, n := 0, 0
	for n < len(q.waiting) && (n == 0 || bytes+q.waiting[n].size() <= maxGroup) {
		bytes += q.waiting[n].size()
		n++
	}
	dst = append(dst, q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	q.bytes -= bytes
	return dst
}

// gather lets the appenders run that the last group has just woken, as long as
// each turn brings more of them. Without it they fall into two groups that
// wait for each other's sync, and every sync covers only half of them.
func (q *queue) gather() {
	for range 8 {
		before := len(q.waiting)
		q.mu.Unlock()
		runtime.Gosched()
		q.mu.Lock()
		if len(q.waiting) == before {
			return
		}
	}
}

// close ends the queue: nothing more is taken in, what waits is still written.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.filled.Broadcast()
}
