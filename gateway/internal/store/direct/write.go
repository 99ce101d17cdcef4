package direct

import (
	"context"
	"errors"
	"fmt"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// writeAll writes groups until the queue is closed and empty.
func (s *Store) writeAll() {
	for {
		g, ok := s.queue.take()
		if !ok {
			return
		}
		s.writeGroup(g)
	}
}

// writeGroup writes a group and decides about its records.
func (s *Store) writeGroup(g *group) {
	receipts := make([]store.Receipt, len(g.items))
	errs, err := s.attempt(g)
	for n := range receipts {
		if errs != nil {
			err = errs[n]
		}
		receipts[n] = s.receipt(err)
	}
	g.decide(receipts)
}

// attempt writes a group and returns what is wrong with each event, nil meaning
// that it is safe; or one error when nothing was tried.
func (s *Store) attempt(g *group) ([]error, error) {
	sink := s.options.Sink
	switch {
	case s.life.Err() != nil:
		return nil, daybook.ErrClosed
	case time.Since(g.items[0].from.queued) > s.options.Within:
		// The first has waited longest. The others would, too, by the time that
		// the destination answers as slowly as it does now.
		return nil, tooSlow(nil)
	case g.letters && s.options.DeadLetters == nil:
		return nil, noDeadLetters()
	case g.letters:
		sink = s.options.DeadLetters
	}
	errs := make([]error, len(g.items))
	s.write(sink, g.events(), errs)
	s.health.written(errs)
	return errs, nil
}

// write writes events and notes in errs what is wrong with each. A sink that
// refuses a Write for good without saying which event is at fault is asked about
// each half of it.
func (s *Store) write(sink daybook.Sink, events []daybook.Event, errs []error) {
	err := s.writeOnce(sink, events)
	partial, ok := errors.AsType[*daybook.PartialError](err)
	switch {
	case err == nil:
	case ok:
		blame(partial, events, errs)
	case permanent(err) && len(events) > 1:
		half := len(events) / 2
		s.write(sink, events[:half], errs[:half])
		s.write(sink, events[half:], errs[half:])
	default:
		for n := range errs {
			errs[n] = err
		}
	}
}

// writeOnce is one Write. A panic in a destination's code is that destination's
// failure: whether it has the events, nobody knows.
func (s *Store) writeOnce(sink daybook.Sink, events []daybook.Event) (err error) {
	ctx, cancel := context.WithTimeout(s.life, s.options.Within)
	defer cancel()
	s.options.Observe.Group(len(events))
	started := time.Now()
	defer func() { s.options.Observe.Write(time.Since(started)) }()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v", s.options.Name, p)
		}
	}()
	return sink.Write(ctx, events)
}

// blame notes the errors of the events that a sink has not taken. When it names
// one that it was not given, nothing it says can be relied on, and all failed.
func blame(partial *daybook.PartialError, events []daybook.Event, errs []error) {
	failed := make(map[string]error, len(partial.Failed))
	for _, o := range partial.Failed {
		failed[o.ID] = why(o)
	}
	named := 0
	for n := range events {
		err, ok := failed[events[n].ID]
		if errs[n] = err; ok {
			named++
		}
	}
	if named == len(failed) && named > 0 {
		return
	}
	for n := range errs {
		errs[n] = errors.New("the destination failed events that it was not given")
	}
}

// why returns the error of an event that was not taken. A sink that names none
// has at least said whether it is the event's fault; the errors of its
// neighbours, which a PartialError shows too, are not this one's.
func why(o daybook.Outcome) error {
	switch {
	case o.Err != nil:
		return o.Err
	case o.Status == daybook.Refused:
		return &daybook.Error{Code: daybook.Invalid, Reason: o.Reason}
	}
	return &daybook.Error{Code: daybook.Unavailable, Reason: o.Reason}
}

// receipt says what an error about an event means to its caller.
func (s *Store) receipt(err error) store.Receipt {
	switch {
	case err == nil:
		return store.Receipt{Status: daybook.Stored}
	case permanent(err):
		return store.Receipt{Status: daybook.Refused, Err: refused(s.options.Name, err)}
	}
	return store.Receipt{Status: daybook.Failed, Err: failed(s.options.Name, err)}
}
