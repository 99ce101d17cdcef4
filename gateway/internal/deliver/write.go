package deliver

import (
	"context"
	"errors"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// Wants reports whether a destination is to get the event of a record. It is
// false for a destination that does not exist.
func (e *Engine) Wants(destination string, r *store.Record) bool {
	l := e.lane(destination)
	return l != nil && l.Wants(r)
}

// Write hands events to a destination once, for those who deliver again what is
// in the store: replays, retries of dead letters. It waits for one of the
// destination's slots, and writes events of the same id one after the other.
// Nil means that the destination has taken all; the error is that of the sink,
// or says that the destination is being left alone at the moment, with the time
// after which to come again. Which events it wants is not asked; what leaves is
// shaped as always. It counts for the breaker, and in no cursor.
func (e *Engine) Write(ctx context.Context, destination string, events []daybook.Event) error {
	l := e.lane(destination)
	if l == nil {
		return &daybook.Error{Code: daybook.Invalid, Where: "deliver", Reason: "unknown_destination", Message: "there is no such destination"}
	}
	if e.stop.Err() != nil {
		return daybook.ErrClosed
	}
	var failed []daybook.Outcome
	for len(events) > 0 {
		n := distinct(events)
		err := l.writeFor(ctx, events[:n])
		partial, ok := errors.AsType[*daybook.PartialError](err)
		if err != nil && !ok {
			return err
		}
		if ok {
			failed = append(failed, partial.Failed...)
		}
		events = events[n:]
	}
	if len(failed) > 0 {
		return &daybook.PartialError{Failed: failed}
	}
	return nil
}

// distinct is how many of the first events have ids of their own.
func distinct(events []daybook.Event) int {
	seen := make(map[string]bool, len(events))
	for i := range events {
		if seen[events[i].ID] {
			return i
		}
		seen[events[i].ID] = true
	}
	return len(events)
}

// writeFor is one write for somebody else.
func (l *lane) writeFor(ctx context.Context, events []daybook.Event) error {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.hard.Done():
		return daybook.ErrClosed
	}
	defer func() { <-l.slots; l.poke() }()
	shaped := make([]daybook.Event, 0, len(events))
	var failed []daybook.Outcome
	for _, e := range events {
		if err := l.shape(&e); err != nil {
			failed = append(failed, daybook.Outcome{ID: e.ID, Status: daybook.Refused, Err: shapeless(err)})
			continue
		}
		shaped = append(shaped, e)
	}
	if len(shaped) > 0 {
		err := l.guest(ctx, shaped)
		partial, ok := errors.AsType[*daybook.PartialError](err)
		if err != nil && !ok {
			return err
		}
		if ok {
			failed = append(failed, partial.Failed...)
		}
	}
	if len(failed) > 0 {
		return &daybook.PartialError{Failed: failed}
	}
	return nil
}

// guest writes for somebody else, if the destination may be tried now.
func (l *lane) guest(patience context.Context, events []daybook.Event) error {
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	began := time.Now()
	if err := l.admit(began); err != nil {
		return err
	}
	defer l.flights.Done()
	ctx, cancel := context.WithTimeout(patience, l.Timeout)
	defer cancel()
	defer context.AfterFunc(l.hard, cancel)()
	err := l.call(ctx, events)

	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending.writes--
	if err != nil && (patience.Err() != nil || l.hard.Err() != nil) {
		return err // it was cut off: that says nothing about the destination
	}
	v := verdict{began: began, faults: make([]*fault, len(ids))}
	if err != nil {
		v.blame(ids, err)
	}
	l.charge(began, &v, time.Now())
	return err
}

// admit lets a guest's write begin, unless the destination is left alone. The
// lane waits for the write as for its own.
func (l *lane) admit(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return daybook.ErrClosed
	}
	h := &l.health
	until := h.pause
	if !h.breaker.closed() {
		until = h.breaker.next
		if l.pending.writes > 0 && !until.After(now) {
			until = now.Add(firstWait)
		}
	}
	if until.After(now) {
		return &daybook.Error{
			Code: daybook.Unavailable, Where: l.Name, Reason: "destination_failing",
			Message: "the destination is failing and left alone for a moment", RetryAfter: until.Sub(now),
		}
	}
	l.pending.writes++
	l.flights.Add(1)
	return nil
}
