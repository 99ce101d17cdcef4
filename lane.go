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

// drop counts dropped events. Callers hold mu.
func (l *lane) drop(why reason, n int) {
	l.dropped[why] += uint64(n)
	l.core.reporter.note(why)
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

// notify tells whoever waits that something has changed. Callers hold mu.
func (l *lane) notify() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// change returns a channel that is closed at the next change. Callers hold mu.
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
