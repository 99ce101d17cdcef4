package deadletter

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
	"daybook.dev/gateway/internal/store"
)

const (
	// retryEvents is how many events are handed over together at most; they are
	// fewer where they are large, as many as the store reads at once.
	retryEvents = 100

	// retryPatience is how long a batch waits, all in all, for a destination
	// that says when to come again.
	retryPatience = 15 * time.Second
)

// Retry hands the events of the dead letters that f means to their destinations
// again, which f must say: see [Filter]. each, which may be nil, is told what
// became of each dead letter.
//
// What a destination refuses again stays a dead letter with the new reason and
// one attempt more. A failure that is about the destination and not about an
// event changes nothing: it is reported, and those after its batch are not
// tried. Only a destination that says when to come again is waited for, a few
// seconds.
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
	slices.SortFunc(found, byDestination)
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
	if known := c.index.options.Destinations; destination == "" || known != nil && !slices.Contains(known, destination) {
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
	n := min(len(left), retryEvents)
	letters, unread, err := c.index.events(ctx, left[:n])
	if err != nil {
		return nil, nil, err
	}
	rest = left[n:]
	if len(unread) > 0 {
		rest = slices.Concat(unread, rest)
	}
	for _, l := range letters {
		if l.Event == nil {
			c.report(l.Entry, NotKept, nil)
			continue
		}
		batch = append(batch, l)
	}
	return batch, rest, nil
}

// try hands one batch over, stores what became of each event, and reports it.
// failing means that the destination fails as a whole.
func (c *change) try(ctx context.Context, destination string, batch []Letter) (failing bool, err error) {
	results := c.hand(ctx, destination, batch)
	var records []store.Record
	answered := false // about some event
	for i, err := range results {
		switch class := attempt.ClassOf(err); {
		case class == attempt.Taken:
			answered = true
			records = append(records, settled(batch[i].Entry, daybook.Stored, "retried"))
		case class == attempt.Permanent:
			answered = true
			records = append(records, refusedAgain(&batch[i], err))
		case errors.Is(err, attempt.ErrNotTried):
			failing = true
		case ctx.Err() != nil: // whoever asked has left
			results[i] = attempt.ErrNotTried
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

// hand hands over the events of a batch and returns what became of each. A
// destination that takes nothing and says when to come again gets the time.
func (c *change) hand(ctx context.Context, destination string, batch []Letter) []error {
	events := make([]daybook.Event, len(batch))
	for i, l := range batch {
		events[i] = l.Event.Outgoing()
	}
	for waited := time.Duration(0); ; {
		results := attempt.Of(ctx, c.index.options.Write, destination, events, c.index.options.Within)
		after := comeAgain(results)
		if after == 0 || waited+after > retryPatience {
			return results
		}
		waited += after
		sleep(ctx, after)
	}
}

// comeAgain returns the time after which a destination that has answered about
// no event wants to be tried again; zero means that there is no such time.
func comeAgain(results []error) (after time.Duration) {
	for _, err := range results {
		if class := attempt.ClassOf(err); class == attempt.Taken || class == attempt.Permanent {
			return 0
		}
		if e, ok := errors.AsType[*daybook.Error](err); ok {
			after = max(after, e.RetryAfter)
		}
	}
	return after
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
