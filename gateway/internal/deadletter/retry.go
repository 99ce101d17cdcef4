package deadletter

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
	"daybook.dev/gateway/internal/store"
)

const (
	retryEvents = 100     // events handed over together, at most
	retryBytes  = 1 << 20 // bytes of metadata after which no further event joins them
)

// Retry hands the events of the dead letters that f means to their destinations
// again, which f must say: see [Filter]. each, which may be nil, is told what
// became of each dead letter.
//
// An event is tried once. One that is refused again stays a dead letter with the
// new reason and one attempt more. Where a destination fails as a whole, those
// after the batch that met the failure are not tried.
//
// The error says why the call ended before all had their turn; the summary
// counts what was done until then. What was delivered right before a crash may
// still be listed, and is delivered again by the next retry, with the same id.
func (x *Index) Retry(ctx context.Context, f Filter, each func(Done)) (Summary, error) {
	c, found, done, err := x.begin(ctx, f, each)
	if err != nil {
		return Summary{}, err
	}
	defer done()
	slices.SortFunc(found, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Position, b.Position))
	})
	for len(found) > 0 {
		n := 1
		for n < len(found) && found[n].Destination == found[0].Destination {
			n++
		}
		if err := c.retry(ctx, found[0].Destination, found[:n]); err != nil {
			c.reportAll(found[n:], NotTried)
			return c.summary, err
		}
		found = found[n:]
	}
	return c.summary, interrupted(ctx)
}

// retry tries the dead letters of one destination, batch by batch.
func (c *change) retry(ctx context.Context, destination string, left []Entry) error {
	if destination == "" {
		c.reportAll(left, NoDestination)
		return nil
	}
	failing := false
	for len(left) > 0 && !failing && ctx.Err() == nil {
		batch, rest, err := c.load(ctx, left)
		if err != nil {
			c.reportAll(left, NotTried)
			return err
		}
		if failing, err = c.try(ctx, destination, batch); err != nil {
			c.reportAll(rest, NotTried)
			return err
		}
		left = rest
	}
	c.reportAll(left, NotTried)
	return nil
}

// load reads the events of the next batch. Dead letters whose event is no longer
// kept are reported and left out.
func (c *change) load(ctx context.Context, left []Entry) (batch []Letter, rest []Entry, err error) {
	for bytes := 0; len(left) > 0 && len(batch) < retryEvents && bytes < retryBytes; left = left[1:] {
		l, err := c.index.letter(ctx, left[0])
		if err != nil {
			return nil, nil, err
		}
		if l.Event == nil {
			c.report(l.Entry, NotKept, nil)
			continue
		}
		batch = append(batch, l)
		bytes += len(l.Event.Event.Metadata)
	}
	return batch, left, nil
}

// try hands one batch over, stores what became of each event, and reports it.
// failing means that the destination fails as a whole.
func (c *change) try(ctx context.Context, destination string, batch []Letter) (failing bool, err error) {
	events := make([]daybook.Event, len(batch))
	for i, l := range batch {
		events[i] = l.Event.Outgoing()
	}
	results := attempt.Of(ctx, c.index.options.Write, destination, events, c.index.options.Within)

	var records []store.Record
	answered := false // about some event
	for i, err := range results {
		switch class := attempt.ClassOf(err); {
		case errors.Is(err, attempt.ErrNotTried):
			failing = true
		case class == attempt.Taken:
			answered = true
			records = append(records, settled(batch[i].Entry, daybook.Stored, "retried"))
		case class != attempt.Permanent && ctx.Err() != nil:
			// Whoever asked has left: that says nothing about the event.
			results[i] = attempt.ErrNotTried
		default:
			answered = answered || class == attempt.Permanent
			records = append(records, refusedAgain(&batch[i], err))
		}
	}
	if err := c.append(ctx, records); err != nil {
		for _, l := range batch { // also where it was delivered: it is still listed
			c.report(l.Entry, Failed, err)
		}
		return true, err
	}
	for i, err := range results {
		c.report(batch[i].Entry, resultOf(err), err)
	}
	return failing || len(batch) > 0 && !answered, nil
}

func resultOf(err error) Result {
	switch {
	case err == nil:
		return Delivered
	case errors.Is(err, attempt.ErrNotTried):
		return NotTried
	default:
		return Failed
	}
}

// refusedAgain is the record of a dead letter that was tried once more. It holds
// the event, so that the letter outlives the record before it.
func refusedAgain(l *Letter, err error) store.Record {
	r := *l.Event
	r.Kind, r.Awaited, r.Settlement = store.KindRefused, nil, nil
	r.Refusal = &store.Refusal{
		Destination: l.Destination, Position: l.Position, Attempts: l.Attempts + 1,
		Code: daybook.CodeOf(err), Reason: "delivery_failed", Message: "the destination did not take the event",
	}
	if e, ok := errors.AsType[*daybook.Error](err); ok {
		r.Refusal.Field = e.Field
		r.Refusal.Reason = cmp.Or(e.Reason, r.Refusal.Reason)
		r.Refusal.Message = cmp.Or(e.Message, r.Refusal.Message)
	}
	return r
}
