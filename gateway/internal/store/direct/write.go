package direct

import (
	"context"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
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
	errs, err := s.write(g)
	for n := range receipts {
		if errs != nil {
			err = errs[n]
		}
		receipts[n] = s.receipt(err)
	}
	g.decide(receipts)
}

// write writes a group and returns what is wrong with each event, nil meaning
// that it is safe; or one error when nothing was tried.
func (s *Store) write(g *group) ([]error, error) {
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
	errs := attempt.Of(s.life, s.writeTo(sink), s.options.Name, g.events(), s.options.Within)
	s.health.written(errs)
	return errs, nil
}

// writeTo is the sink's Write, watched.
func (s *Store) writeTo(sink daybook.Sink) attempt.Write {
	return func(ctx context.Context, _ string, events []daybook.Event) error {
		s.options.Observe.Group(len(events))
		started := time.Now()
		defer func() { s.options.Observe.Write(time.Since(started)) }()
		return sink.Write(ctx, events)
	}
}

// receipt says what an error about an event means to its caller.
func (s *Store) receipt(err error) store.Receipt {
	switch attempt.ClassOf(err) {
	case attempt.Taken:
		return store.Receipt{Status: daybook.Stored}
	case attempt.Permanent:
		return store.Receipt{Status: daybook.Refused, Err: refused(s.options.Name, err)}
	}
	return store.Receipt{Status: daybook.Failed, Err: failed(s.options.Name, err)}
}
