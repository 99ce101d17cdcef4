package daybook

import (
	"context"
	"sync"
	"time"

	"daybook.dev/internal/spool"
)

// A lane is the way of events to one sink: a queue in memory, a spool on disk
// where there is one, and a worker that sends batches. The worker is a
// goroutine only while there is something to do.
//
//	put ─▶ open block ─▶ sealed blocks ─▶ worker ─▶ sink
//	                          │             │ ▲
//	                          └──▶ spool ◀──┘ │
//	                                 └────────┘
type lane struct {
	name  string
	core  *core
	spool *spool.Spool // nil = none

	ctx    context.Context // of the attempts; ends when the lane must be left
	cancel context.CancelFunc
	wg     sync.WaitGroup // of the worker and the spiller

	mu     sync.Mutex // guards what follows; never held while calling the spool or a sink
	sink   *held
	queue  QueueOptions
	batch  BatchOptions
	retry  RetryOptions
	lent   bool // the sink is another lane's now: finish leaves it open
	direct bool // the sink is written to by the caller's goroutine; for tests

	counters
	reported      tally // of dropped, told to the gateway
	reportedEarly tally // of the core's, told to the gateway

	open       *block
	opened     time.Time
	sealed     []*block            // the oldest first
	flying     *block              // taken by the worker
	bytes      int                 // of open, sealed and flying
	entered    uint64              // events that were ever queued; first in, first out
	refusing   bool                // put takes nothing any more
	abandoned  bool                // finish has given up on the worker
	finished   bool                // nothing will happen any more
	working    bool                // the worker runs
	spilling   bool                // the spiller runs
	storing    bool                // the worker writes to the spool, or moves its cursor
	flushing   int                 // Flushes that wait
	sends      uint64              // Sends that have begun
	unsent     map[uint64]struct{} // the numbers of those that have not ended
	attempts   int                 // that have failed in a row
	notBefore  time.Time
	nextReplay time.Time
	diskAfter  time.Time // nothing is spilt before: the disk has failed
	readAfter  time.Time // the spool is not read before
	lastError  error
	adopted    time.Time // when orphaned spools were last looked for

	ageTimer  *time.Timer   // seals the open block
	wakeTimer *time.Timer   // wakes the worker after a pause
	changed   chan struct{} // closed at the next change that a waiter may wait for; nil = nobody waits

	worker scratch // the worker's own
}

// A block is a batch in the making: packed events, one behind the other.
type block struct {
	data     []byte
	start    int // of the first event that is still wanted
	events   int
	attempts int
}

var blocks = sync.Pool{New: func() any { return &block{data: make([]byte, 0, 4<<10)} }}

func (b *block) size() int { return len(b.data) - b.start }

func (b *block) recycle() {
	if cap(b.data) > defaultBatchBytes+maxPooled {
		return
	}
	*b = block{data: b.data[:0]}
	blocks.Put(b)
}

// dropFirst forgets the first event and returns its size.
func (b *block) dropFirst() int {
	size := packedSize(b.data[b.start:])
	b.start += size
	b.events--
	return size
}

// newLane returns a lane that is ready to be put to.
func (co *core) newLane(name string, sink *held, s *spool.Spool) *lane {
	l := &lane{name: name, core: co, sink: sink, spool: s}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.ageTimer = time.AfterFunc(time.Hour, l.sealAged)
	l.ageTimer.Stop()
	l.wakeTimer = time.AfterFunc(time.Hour, l.wake)
	l.wakeTimer.Stop()
	return l
}

// A putResult says what became of an event that was put.
type putResult uint8

const (
	putTaken putResult = iota // queued, or counted as dropped on purpose
	putFull                   // dropped and counted: there was no room
	putGone                   // not taken and not counted: the lane is closing
)

// put copies a packed event into the queue.
func (l *lane) put(packed []byte) putResult {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.take(packed)
}

// putWaiting is put for who waits until there is room, or ctx ends. Nobody can
// take the room between the wait and the event.
func (l *lane) putWaiting(ctx context.Context, packed []byte) (putResult, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.waits(len(packed)) {
		changed := l.change()
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		l.mu.Lock()
		if ctx.Err() != nil {
			l.recorded++
			l.drop(queueFull, 1)
			return putFull, ctx.Err()
		}
	}
	return l.take(packed), nil
}

// waits reports whether an event has to wait for room that there can be. It does
// not start the worker again and again while that is pausing. Callers hold mu,
// here and below.
func (l *lane) waits(size int) bool {
	if l.direct || l.refusing || l.fits(size) || size > l.queue.Bytes || l.core.settings.kills(l.name) {
		return false
	}
	if l.open != nil {
		l.seal()
		l.startWorker()
	}
	return true
}

// take is put.
func (l *lane) take(packed []byte) putResult {
	switch {
	case l.refusing:
		return putGone
	case l.core.settings.kills(l.name):
		l.recorded++
		l.drop(killed, 1)
		return putTaken
	case l.direct:
		l.recorded++
		l.writeDirect(packed)
		return putTaken
	}
	if !l.roomFor(len(packed)) {
		if l.queue.WhenFull != DropOldest || !l.makeRoom(len(packed)) {
			l.recorded++
			l.drop(queueFull, 1)
			return putFull
		}
	}
	l.recorded++
	l.append(packed)
	return putTaken
}

// fits reports whether the queue has room.
func (l *lane) fits(size int) bool {
	return l.queued < l.queue.Events && l.bytes+size <= l.queue.Bytes
}

// roomFor reports whether the queue has room. Where it has not, what waits is
// on its way.
func (l *lane) roomFor(size int) bool {
	if l.fits(size) {
		return true
	}
	if l.open != nil {
		l.seal()
	}
	l.startWorker()
	return false
}

// makeRoom drops the oldest events that are not being sent until there is room;
// none where that would not be enough.
func (l *lane) makeRoom(size int) bool {
	events, bytes := l.queued+1-l.queue.Events, l.bytes+size-l.queue.Bytes
	for _, b := range l.sealed {
		if events <= 0 && bytes <= 0 {
			break
		}
		events, bytes = events-b.events, bytes-b.size()
	}
	if events > 0 || bytes > 0 {
		return false
	}
	for !l.fits(size) {
		b := l.sealed[0]
		l.bytes -= b.dropFirst()
		l.queued--
		l.drop(queueFull, 1)
		if b.events == 0 {
			l.popSealed().recycle()
		}
	}
	return true
}

// append puts the event behind the others.
func (l *lane) append(packed []byte) {
	if l.open != nil && l.open.size()+len(packed) > l.batch.Bytes {
		l.seal()
		l.startWorker()
	}
	if l.open == nil {
		l.open = blocks.Get().(*block)
		l.opened = time.Now()
		l.ageTimer.Reset(l.batch.Age)
	}
	b := l.open
	b.data = append(b.data, packed...)
	b.events++
	l.queued++
	l.entered++
	l.bytes += len(packed)
	// A small queue must not be filled by one batch that is still being made.
	if b.events >= min(l.batch.Events, l.queue.Events-l.queue.Events/2) || b.size() >= l.batch.Bytes {
		l.seal()
		l.startWorker()
	}
	if l.spool != nil && l.queue.WhenFull == SpillElseDropNewest &&
		(l.queued > l.queue.Events/2 || l.bytes > l.queue.Bytes/2) {
		l.startSpiller()
	}
}

// seal ends the open block.
func (l *lane) seal() {
	l.sealed = append(l.sealed, l.open)
	l.open = nil
	l.ageTimer.Stop()
}

func (l *lane) popSealed() *block {
	b := l.sealed[0]
	n := copy(l.sealed, l.sealed[1:])
	l.sealed[n] = nil
	l.sealed = l.sealed[:n]
	return b
}

// sealAged seals a block that has waited long enough.
func (l *lane) sealAged() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		return
	}
	if left := l.batch.Age - time.Since(l.opened); left > 0 {
		l.ageTimer.Reset(left) // the timer was set for a block before this one
		return
	}
	l.seal()
	l.startWorker()
}

// drop counts dropped events.
func (l *lane) drop(why reason, n int) {
	l.dropped[why] += uint64(n)
	l.core.reporter.note(why)
}

// forget drops a block.
func (l *lane) forget(b *block, why reason) {
	l.queued -= b.events
	l.bytes -= b.size()
	l.drop(why, b.events)
	b.recycle()
}

// forgetSealed drops all that waits in memory but for the open block.
func (l *lane) forgetSealed(why reason) {
	for len(l.sealed) > 0 {
		l.forget(l.popSealed(), why)
	}
}

// evicted is called by the spool for events that it has given up.
func (l *lane) evicted(why spool.Reason, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spooled -= n
	l.drop(spoolReasons[why], n)
	l.notify()
}

var spoolReasons = map[spool.Reason]reason{
	spool.Full: spoolFull, spool.Expired: expired, spool.Damaged: failed,
}

// notify tells whoever waits that something has changed.
func (l *lane) notify() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// change returns a channel that is closed at the next change.
func (l *lane) change() <-chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

func (l *lane) snapshot() counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counters
}

// configure sets what the configuration and the settings say.
func (l *lane) configure(cfg *Config, s *Settings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue, l.batch, l.retry = cfg.Queue, cfg.Batch, cfg.Retry
	if s.QueueEvents > 0 {
		l.queue.Events = s.QueueEvents
	}
	if s.Attempts > 0 {
		l.retry.Attempts = s.Attempts
	}
	if s.Batch.Events > 0 {
		l.batch.Events = s.Batch.Events
	}
	if s.Batch.Bytes > 0 {
		l.batch.Bytes = s.Batch.Bytes
	}
	if s.Batch.Age > 0 {
		l.batch.Age = s.Batch.Age
	}
	if l.open != nil {
		l.ageTimer.Reset(max(0, l.batch.Age-time.Since(l.opened)))
	}
	l.startWorker() // what was killed may be alive again
}

// swap gives the lane another sink and returns the one before, to which
// something may still be written.
func (l *lane) swap(next *held) (before *held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, l.sink = l.sink, next
	l.attempts, l.notBefore = 0, time.Time{}
	l.startWorker()
	return before
}

// lend leaves the sink of a lane that goes open where cfg names it again.
func (l *lane) lend(cfg *Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lent = cfg.has(l.sink.sink)
}

// writeDirect writes an event on the caller's goroutine. Callers hold mu, which
// is not held meanwhile.
func (l *lane) writeDirect(packed []byte) {
	event, _ := unpack(packed)
	sink := l.sink
	sink.enter()
	l.queued++
	l.entered++
	l.mu.Unlock()
	_, err := write(l.ctx, sink.sink, []Event{event})
	l.mu.Lock()
	sink.leave()
	l.queued--
	if err != nil {
		l.drop(failed, 1)
		return
	}
	l.delivered++
}
