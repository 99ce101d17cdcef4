package daybook

import (
	"math/rand/v2"
	"time"
)

// scratch is what the worker uses again from batch to batch.
type scratch struct {
	events  []Event
	offsets []int
	records [][]byte
	replay  []byte
}

// replayPause is the least time between two batches from the spool, so that a
// gateway that has come back is not flooded by all who waited for it.
const replayPause = 20 * time.Millisecond

// diskPause is how long a disk that has failed is left alone.
const diskPause = time.Second

// diskWorks reports whether there is a spool worth writing to.
func (l *lane) diskWorks(now time.Time) bool { return l.spool != nil && !now.Before(l.diskAfter) }

// adoptEvery is how often a running client looks for spools of dead processes.
const adoptEvery = time.Minute

// startWorker sees to it that a worker looks at the lane. Callers hold mu.
func (l *lane) startWorker() {
	if l.working || l.abandoned || l.direct {
		return
	}
	l.working = true
	l.wg.Go(l.work)
}

// wake starts the worker after a pause.
func (l *lane) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.startWorker()
}

// work does what there is to do and ends when there is nothing.
func (l *lane) work() {
	for {
		do := l.next()
		if do == nil {
			return
		}
		do()
	}
}

// next returns the next thing to do, or nil when there is none; the worker is
// then no longer working.
func (l *lane) next() func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.abandoned {
		if do := l.choose(time.Now()); do != nil {
			return do
		}
	}
	l.working = false
	l.notify()
	return nil
}

// choose decides what is done next. Old before new: what waits in the spool is
// older than what waits in memory.
func (l *lane) choose(now time.Time) func() {
	if l.ctx.Err() != nil {
		return nil // finish takes care of the rest
	}
	if l.core.state.Load().off != "" {
		l.forgetSealed(optedOut)
		return nil // what is on disk stays there until somebody is asked again
	}
	if kill := &l.core.settings.current().Kill; kill.kills(l.name) {
		return l.chooseKilled(kill)
	}
	unread := l.readAfter.Sub(now)
	stored := l.spooled > 0 && unread <= 0
	if wait := l.notBefore.Sub(now); wait > 0 {
		if len(l.sealed) > 0 && l.diskWorks(now) {
			return l.spillOne()
		}
		if len(l.sealed) > 0 || l.spooled > 0 {
			l.wakeTimer.Reset(wait)
		}
		return nil
	}
	if stored {
		wait := l.nextReplay.Sub(now)
		if wait <= 0 || l.flushing > 0 {
			return l.replay
		}
		if len(l.sealed) == 0 {
			l.wakeTimer.Reset(wait)
			return nil
		}
	}
	if len(l.sealed) == 0 {
		l.wakeTimer.Stop()
		if l.spooled > 0 {
			l.wakeTimer.Reset(unread)
		}
		return nil
	}
	l.flying = l.popSealed()
	return l.sendFlying
}

// chooseKilled drops what waits in memory for a sink that is switched off.
func (l *lane) chooseKilled(kill *KillSettings) func() {
	l.forgetSealed(killed)
	if kill.Purge && l.spool != nil && l.spooled > 0 {
		return l.purge
	}
	return nil
}

func (l *lane) purge() {
	n, err := l.spool.Purge()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spooled -= n
	l.drop(killed, n)
	if err != nil {
		l.trouble(err)
	}
}

// sendFlying sends the batch that the worker has taken from the queue.
func (l *lane) sendFlying() {
	w := &l.worker
	b := l.flying
	w.events, w.offsets = unpackAll(b.data[b.start:], w.events[:0], w.offsets[:0])
	s := l.attempt(w.events)
	clear(w.events)
	if !l.beginStoring() {
		return // finish has stored the batch, or counted it
	}
	keep := l.spool != nil && len(s.again) > 0
	if keep {
		w.records = w.records[:0]
		for _, i := range s.again {
			at := b.start + w.offsets[i]
			w.records = append(w.records, b.data[at:at+packedSize(b.data[at:])])
		}
		if err := l.spool.Append(w.records); err != nil {
			keep = false
			l.troubled(err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.storing = false
	l.flying = nil
	l.settle(&s)
	l.queued -= b.events
	l.bytes -= b.size()
	switch {
	case len(s.again) == 0:
		b.recycle()
	case keep:
		l.spooled += len(s.again)
		b.recycle()
	case l.retry.Attempts > 0 && b.attempts+1 >= l.retry.Attempts:
		l.drop(failed, len(s.again))
		b.recycle()
	default:
		l.requeue(b, w.offsets, s.again)
	}
	l.notify()
}

// beginStoring reports whether the worker may still decide what becomes of a
// batch. From then on finish waits for it.
func (l *lane) beginStoring() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.storing = !l.abandoned
	return l.storing
}

// requeue puts the events that are to be tried again in front of the others.
func (l *lane) requeue(b *block, offsets, again []int) {
	rest := blocks.Get().(*block)
	for _, i := range again {
		at := b.start + offsets[i]
		rest.data = append(rest.data, b.data[at:at+packedSize(b.data[at:])]...)
	}
	rest.events, rest.attempts = len(again), b.attempts+1
	b.recycle()
	l.queued += rest.events
	l.bytes += rest.size()
	l.sealed = append([]*block{rest}, l.sealed...)
}

// replay sends the oldest events of the spool.
func (l *lane) replay() {
	l.mu.Lock()
	most, size := l.batch.Events, l.batch.Bytes
	l.mu.Unlock()
	w := &l.worker
	batch, err := l.spool.Next(most, size, w.replay[:0])
	w.replay = batch.Data
	if err != nil || batch.Events == 0 {
		l.emptied(err)
		return
	}
	w.events, w.offsets = unpackAll(batch.Data, w.events[:0], w.offsets[:0])
	unread := batch.Events - len(w.events) // written by a newer version, or damaged before they were
	s := l.attempt(w.events)
	clear(w.events)
	if !l.beginStoring() {
		return // all of it is still in the spool
	}
	done := len(s.again) < len(w.events) || len(w.events) == 0
	if done && len(s.again) > 0 {
		w.records = w.records[:0]
		for _, i := range s.again {
			at := w.offsets[i]
			w.records = append(w.records, batch.Data[at:at+packedSize(batch.Data[at:])])
		}
		if err := l.spool.Append(w.records); err != nil {
			done = false // all of them again, rather than some never
			l.troubled(err)
		}
	}
	if done {
		l.spool.Done(batch)
	} else {
		l.spool.Keep(batch)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.storing = false
	l.nextReplay = time.Now().Add(replayPause)
	if !done {
		s.delivered, s.dropped = 0, tally{}
	}
	l.settle(&s)
	if done {
		l.spooled -= batch.Events - len(s.again)
		l.drop(failed, unread)
	}
	l.notify()
}

// emptied is called when the spool gave nothing although something was counted.
// That is no reason to leave the sink alone, or what waits in memory.
func (l *lane) emptied(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.trouble(err)
	}
	l.readAfter = time.Now().Add(diskPause)
	l.notify()
}

// settle counts what an attempt has achieved and decides when the next is made.
func (l *lane) settle(s *settled) {
	l.delivered += uint64(s.delivered)
	for why, n := range s.dropped {
		if n > 0 {
			l.drop(reason(why), int(n))
		}
	}
	if s.err != nil {
		l.trouble(s.err)
	}
	if len(s.again) > 0 {
		l.pause(s.wait, s.misconfigured)
		return
	}
	l.attempts, l.notBefore = 0, time.Time{}
	if s.err == nil {
		l.lastError = nil
	}
}

// pause lets some time pass before the next attempt.
func (l *lane) pause(atLeast time.Duration, misconfigured bool) {
	l.attempts++
	l.notBefore = time.Now().Add(l.retry.wait(l.attempts, misconfigured, atLeast))
}

// wait is how long to wait after so many attempts that failed in a row. Full
// jitter: many clients that failed at one moment must not come back at one.
func (o RetryOptions) wait(attempts int, misconfigured bool, atLeast time.Duration) time.Duration {
	if misconfigured {
		return max(o.Max, atLeast) // a person has to act: there is no hurry
	}
	limit := o.Max
	if shift := attempts - 1; shift < 16 && o.Min <= o.Max>>shift {
		limit = o.Min << shift
	}
	return max(time.Duration(rand.Int64N(max(1, int64(limit)))), atLeast)
}

// trouble notes why something failed. Callers hold mu.
func (l *lane) trouble(err error) {
	l.lastError = err
	l.core.reporter.trouble(l.name, err)
}

func (l *lane) troubled(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble(err)
}

// attempt makes one attempt to deliver events.
func (l *lane) attempt(events []Event) (s settled) {
	l.mu.Lock()
	if l.abandoned { // the sink is being closed, and what becomes of the events is decided
		l.mu.Unlock()
		return s
	}
	sink := l.sink
	sink.enter()
	look := l.spool != nil && time.Since(l.adopted) > adoptEvery
	if look {
		l.adopted = time.Now()
	}
	report, reported, early := l.report()
	l.mu.Unlock()
	defer sink.leave()
	if look {
		l.adopt()
	}
	ctx := withReport(l.ctx, report)
	s.try(ctx, sink.sink, events, 0)
	if s.told && report != "" {
		l.mu.Lock()
		l.reported, l.reportedEarly = reported, early
		l.mu.Unlock()
	}
	return s
}
