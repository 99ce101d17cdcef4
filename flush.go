package daybook

import (
	"context"
	"time"
)

// flush sends what has been recorded so far and what is due in the spool, until
// ctx ends.
func (l *lane) flush(ctx context.Context) UndeliveredError {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open != nil {
		l.seal()
	}
	target, sends := l.entered, l.sends
	l.notBefore, l.nextReplay = time.Time{}, time.Time{}
	l.flushing++
	defer func() { l.flushing-- }()
	l.startWorker()
	for ctx.Err() == nil && !l.finished && !l.flushed(target, sends) && !l.hopeless(ctx) {
		changed := l.change()
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		l.mu.Lock()
	}
	return UndeliveredError{Queued: l.queued + l.sending, Spooled: max(0, l.spooled), Err: l.lastError}
}

// flushed reports whether the first so many events have left the queue, the first
// so many Sends have ended, and the spool has nothing that is due.
func (l *lane) flushed(target, sends uint64) bool {
	if l.direct {
		return true
	}
	if l.entered-uint64(l.queued) < target {
		return false
	}
	for number := range l.unsent {
		if number <= sends {
			return false
		}
	}
	if l.core.state.Load().off != "" {
		return true // what is on disk stays there
	}
	kill := &l.core.settings.current().Kill
	now := time.Now()
	due := l.spooled > 0 && !now.Before(l.notBefore) && !now.Before(l.readAfter) && (!kill.kills(l.name) || kill.Purge)
	return !due
}

// hopeless reports whether the next attempt is only made when ctx has ended.
func (l *lane) hopeless(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && l.notBefore.After(deadline)
}

// refuse makes the lane take nothing any more.
func (l *lane) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusing = true
	l.notify()
}

func (l *lane) isRefusing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refusing
}

// finish delivers what it can until ctx ends, moves the rest to the spool, or
// counts it as dropped where there is none, and releases the sink.
func (l *lane) finish(ctx context.Context, why reason) UndeliveredError {
	left := l.flush(ctx)
	l.cancel()
	l.join()
	l.mu.Lock()
	l.ageTimer.Stop()
	l.wakeTimer.Stop()
	sink, lent := l.sink, l.lent
	l.mu.Unlock()
	left.Queued, left.Lost = 0, l.saveRest(why)
	if lent {
		sink.retire()
	} else {
		_ = sink.close(ctx) // what it has not taken was kept or counted above
	}
	if l.spool != nil {
		_ = l.spool.Close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	left.Spooled = max(0, l.spooled)
	l.finished = true
	l.notify()
	return left
}

// join waits for the worker and the spiller. An attempt that does not end when
// it is told to is left behind: its events are kept or counted by finish.
func (l *lane) join() {
	l.mu.Lock()
	defer l.mu.Unlock()
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	late := false
	// Not before the disk is done: an event must not be stored by two.
	for l.spilling || l.storing || l.working && !late {
		changed := l.change()
		l.mu.Unlock()
		select {
		case <-changed:
		case <-grace.C:
			late = true
		}
		l.mu.Lock()
	}
	l.abandoned = true
}

// saveRest empties the queue into the spool and returns how many events were
// lost.
func (l *lane) saveRest(why reason) (lost int) {
	l.mu.Lock()
	rest := l.sealed
	if l.flying != nil {
		rest = append([]*block{l.flying}, rest...)
	}
	if l.open != nil {
		rest = append(rest, l.open)
	}
	l.flying, l.sealed, l.open = nil, nil, nil
	l.mu.Unlock()
	for _, b := range rest {
		var err error
		if l.spool != nil && why == closed {
			err = l.store(b)
		}
		l.mu.Lock()
		l.queued -= b.events
		l.bytes -= b.size()
		if l.spool == nil || why != closed || err != nil {
			l.drop(why, b.events)
			lost += b.events
		} else {
			l.spooled += b.events
		}
		l.mu.Unlock()
	}
	return lost
}
