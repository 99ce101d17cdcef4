package deliver

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
)

// health is how a destination, and the reading for it, has been doing. But for
// the attempts the lane's lock guards it.
type health struct {
	attempts [classes]atomic.Uint64

	breaker breaker
	pause   time.Time // the destination took some of a write and asked for time
	tookAt  time.Time // the last write of which something was taken began

	last   *fault // the last of any kind, and when
	lastAt time.Time

	said   attempt.Class      // of the outage that the log was told of; Taken = none
	saidAt time.Time          // when it was told first
	quiet  [classes]time.Time // no line about such an outage before

	unread   int       // reads of the store in a row that failed
	unreadTo time.Time // no read before
}

// classes is how many classes there are.
const classes = attempt.Transient + 1

// quietFor is the least time between two outages that the log is told of: a
// destination that throttles all day is one line in a while.
const quietFor = time.Minute

// charge notes what a write says about its destination, and reports whether it
// says more about its events: others have been taken since they were first
// tried. The caller holds the lock.
func (l *lane) charge(first time.Time, v *verdict, now time.Time) (apart bool) {
	h := &l.health
	if v.whole != nil {
		h.last, h.lastAt = v.whole, now
	}
	switch {
	case v.whole == nil:
		l.answered(l.partly(v, now), now)
	case v.whole.class == attempt.Permanent:
		l.answered(false, now)
	case v.whole.class == attempt.Transient && h.tookAt.After(first):
		return true
	default:
		h.breaker.failed(v.whole, v.began, now, l.options.Rand())
		l.complain(v.whole, now)
	}
	return false
}

// partly looks at a write that was answered event by event. It reports whether
// a person has to act before some of them get through.
func (l *lane) partly(v *verdict, now time.Time) (misconfigured bool) {
	h := &l.health
	for _, f := range v.faults {
		if f == nil {
			h.tookAt = v.began
			continue
		}
		h.last, h.lastAt = f, now
		switch f.class {
		case attempt.Throttled:
			h.pause = now.Add(min(f.retryAfter, mostAsked))
		case attempt.Misconfigured:
			misconfigured = true
			l.complain(f, now)
		default:
		}
	}
	return misconfigured
}

// answered notes that the destination lives. It closes the breaker.
func (l *lane) answered(misconfigured bool, now time.Time) {
	h := &l.health
	before := h.breaker.worked()
	if h.said == attempt.Taken || misconfigured {
		return
	}
	h.said = attempt.Taken
	l.options.Log.Info("a destination takes events again", "destination", l.Name,
		"failed_writes", before.failures, "outage", now.Sub(h.saidAt).Round(time.Millisecond))
}

// complain tells the log of an outage: once, and once more when it turns out
// that a person has to act.
func (l *lane) complain(f *fault, now time.Time) {
	h := &l.health
	worse := h.said == attempt.Taken || h.said != attempt.Misconfigured && f.class == attempt.Misconfigured
	if !worse || now.Before(h.quiet[f.class]) {
		return
	}
	if h.said == attempt.Taken {
		h.saidAt = now
	}
	h.said, h.quiet[f.class] = f.class, now.Add(quietFor)
	log := l.options.Log.With("destination", l.Name, "class", f.class.String(), "code", f.code.String(), "reason", f.reason, "err", safe(f.cause))
	if f.class == attempt.Misconfigured {
		log.Error("a destination needs somebody to act: its events are kept until then")
		return
	}
	log.Warn("a destination does not take events: they are kept and tried again")
}

// safe returns what of an error may be logged: a sink's errors contain no event,
// but that of a part of a write names the events by their ids.
func safe(err error) string {
	const most = 500
	if partial, ok := errors.AsType[*daybook.PartialError](err); ok && len(partial.Failed) > 0 {
		err = partial.Failed[0].Err
	}
	if err == nil {
		return ""
	}
	text := err.Error()
	if len(text) > most {
		text = text[:most]
	}
	return text
}

// readable notes how a read of the store ended, and reports whether it
// succeeded.
func (l *lane) readable(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := &l.health
	if err == nil {
		h.unread, h.unreadTo = 0, time.Time{}
		return true
	}
	if errors.Is(err, daybook.ErrClosed) || errors.Is(err, context.Canceled) {
		return false
	}
	if h.unread++; h.unread == 1 {
		l.options.Log.Error("the store cannot be read for a destination", "destination", l.Name, "err", err)
	}
	h.unreadTo = time.Now().Add(backoff(h.unread, mostProbe, 1))
	return false
}
