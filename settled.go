package daybook

import (
	"context"
	"errors"
	"time"
)

// settled is what one attempt to deliver a batch has achieved. Each event of
// the batch is delivered, dropped, or to be tried again.
type settled struct {
	delivered     int
	dropped       tally
	again         []int         // indexes in the batch, ascending
	lost          []int         // indexes of those counted in dropped
	wait          time.Duration // least wait before the next attempt
	misconfigured bool          // a person has to act
	err           error         // why the first event that was not delivered was not
	told          bool          // the gateway has taken what the attempt reported
}

// try writes events to sink. Their indexes in the batch begin with base.
func (s *settled) try(ctx context.Context, sink Sink, events []Event, base int) {
	outcomes, err := write(ctx, sink, events)
	switch partial, _ := errors.AsType[*PartialError](err); {
	case err == nil:
		s.delivered += len(events)
		s.told = true
	case len(outcomes) == len(events):
		for i := range outcomes {
			s.judge(&outcomes[i], base+i)
		}
		// What comes again brings the report again, and it is counted then. Where
		// nothing was delivered there may have been no request at all.
		s.told = s.delivered > 0 && len(s.again) == 0
	case partial != nil:
		s.byID(partial, events, base)
	default:
		s.whole(ctx, sink, events, base, err)
	}
}

// write makes one attempt. Outcomes are nil where the sink gives none.
func write(ctx context.Context, sink Sink, events []Event) (outcomes []Outcome, err error) {
	defer func() {
		if recover() != nil {
			outcomes, err = nil, panicked("Write")
		}
	}()
	switch to := sink.(type) {
	case *gateway:
		return to.sendOwn(ctx, events)
	case Sender:
		return to.Send(ctx, events)
	default:
		return nil, sink.Write(ctx, events)
	}
}

// judge takes what was said about one event.
func (s *settled) judge(o *Outcome, index int) {
	switch o.Status {
	case Stored, Duplicate, Dropped:
		s.delivered++
		return
	}
	err := o.failure()
	if o.refused() {
		s.lose(index, err)
		return
	}
	s.retry(index, err)
}

// failure is why an event was not taken.
func (o *Outcome) failure() error {
	if o.Err != nil {
		return o.Err
	}
	return &Error{Code: Unavailable, Reason: o.Reason}
}

// refused reports whether sending the event again cannot help.
func (o *Outcome) refused() bool { return o.Status == Refused || permanent(CodeOf(o.failure())) }

// permanent reports whether sending the same event again cannot help.
func permanent(c Code) bool { return c == Invalid || c == TooLarge || c == Conflict }

func (s *settled) lose(index int, err error) {
	s.lost = append(s.lost, index)
	why := refused
	if CodeOf(err) == TooLarge {
		why = tooLarge
	}
	s.dropped[why]++
	s.blame(err)
}

// retry marks an event for another attempt.
func (s *settled) retry(index int, err error) {
	s.again = append(s.again, index)
	s.blame(err)
	if e, ok := errors.AsType[*Error](err); ok && e != nil {
		s.wait = max(s.wait, min(e.RetryAfter, time.Hour))
	}
	switch CodeOf(err) {
	case Unauthenticated, Denied, Unimplemented:
		s.misconfigured = true
	}
}

// blame keeps the first error, as a text of its own: the events it may name are
// gone when it is read.
func (s *settled) blame(err error) {
	if s.err == nil {
		s.err = &Error{Code: CodeOf(err), Message: err.Error()}
	}
}

// byID takes the outcomes of those events that a sink has not taken.
func (s *settled) byID(partial *PartialError, events []Event, base int) {
	not := make(map[string]*Outcome, len(partial.Failed))
	for i := range partial.Failed {
		o := &partial.Failed[i]
		if before, twice := not[o.ID]; twice && o.refused() && !before.refused() {
			continue // of two sinks in one, the other may take it later
		}
		not[o.ID] = o
	}
	for i := range events {
		if o, ok := not[events[i].ID]; ok {
			s.judge(o, base+i)
			continue
		}
		s.delivered++
	}
}

// whole takes an error that names no event. A permanent one means that one of
// them is at fault, or that they are too much at once: halves tell which.
func (s *settled) whole(ctx context.Context, sink Sink, events []Event, base int, err error) {
	if !permanent(CodeOf(err)) {
		for i := range events {
			s.retry(base+i, err)
		}
		return
	}
	if len(events) == 1 {
		s.lose(base, err)
		return
	}
	half := len(events) / 2
	ctx = withReport(ctx, "") // it was not taken, and must not come twice
	s.try(ctx, sink, events[:half], base)
	s.try(ctx, sink, events[half:], base+half)
	s.told = false
}
