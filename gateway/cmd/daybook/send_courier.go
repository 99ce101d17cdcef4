package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"daybook.dev"
)

// A courier takes lines to the gateway, in order, and keeps at it while the
// gateway is away.
type courier struct {
	send     func(ctx context.Context, lines [][]byte) ([]daybook.Outcome, error)
	retryFor time.Duration

	// report is told the last word about each line.
	report func(line, daybook.Outcome)

	// waiting is told that an attempt failed and there will be another one.
	waiting func(cause error)

	// most is how many events the gateway takes at once, where that turned out
	// to be fewer than batchEvents. Zero means that nothing is known.
	most int
}

// The bounds of one request: few enough bytes for a proxy's usual limit, and
// enough events to make the fsync of each request cheap.
const (
	batchEvents = 1000
	batchBytes  = 1 << 20
)

// The waits between two attempts, doubling, with full jitter.
const (
	leastWait = 50 * time.Millisecond
	mostWait  = 5 * time.Second
)

// deliverAll takes everything from source to the gateway. An error means that
// some of it was not delivered; those lines are reported, unless they were not
// read any more.
func (c *courier) deliverAll(ctx context.Context, source lineSource) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the reading
	lines := make(chan readResult, batchEvents)
	go read(ctx, source, lines)
	for {
		batch, err := c.collect(ctx, lines)
		if undelivered := c.deliver(ctx, batch); undelivered != nil {
			return undelivered
		}
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			return nil
		}
	}
}

type readResult struct {
	line
	err error
}

// read passes on the lines of source and closes the channel at the end. It may
// outlive ctx for as long as a terminal or pipe has nothing to read: nothing
// can interrupt that but the end of the process.
func read(ctx context.Context, source lineSource, lines chan<- readResult) {
	defer close(lines)
	for l, err := range source {
		select {
		case lines <- readResult{l, err}:
		case <-ctx.Done():
			return
		}
	}
}

// collect waits for a line and returns it with those that are there already: a
// slow pipe is sent line by line, a file in full batches. No lines and no error
// mean the end. Lines that cannot be sent are reported and left out.
func (c *courier) collect(ctx context.Context, lines <-chan readResult) ([]line, error) {
	var batch []line
	most := cmp.Or(c.most, batchEvents)
	for size := 0; len(batch) < most && size < batchBytes; {
		r, ok, err := next(ctx, lines, len(batch) == 0)
		switch {
		case err != nil || !ok:
			return batch, err
		case r.err != nil:
			return batch, fmt.Errorf("%v: %w", r.line, r.err)
		case r.line.err != nil:
			c.report(r.line, refusedHere(r.line.err))
			continue
		}
		batch = append(batch, r.line)
		size += len(r.text)
	}
	return batch, nil
}

// next returns the next line; ok is false at the end, and when there is none
// yet and it may not wait.
func next(ctx context.Context, lines <-chan readResult, wait bool) (r readResult, ok bool, err error) {
	select {
	case r, ok = <-lines:
		return r, ok, nil
	default:
	}
	if !wait {
		return r, false, nil
	}
	select {
	case r, ok = <-lines:
		return r, ok, nil
	case <-ctx.Done():
		return r, false, context.Cause(ctx)
	}
}

func refusedHere(err error) daybook.Outcome {
	o := daybook.Outcome{Status: daybook.Refused, Err: err}
	if e, ok := errors.AsType[*daybook.Error](err); ok {
		o.Reason = e.Reason
	}
	return o
}

// deliver sends a batch until everything in it is settled, each time with the
// same ids. An error means that the rest is not delivered and trying further
// will not help, or has not for retryFor.
func (c *courier) deliver(ctx context.Context, batch []line) error {
	wait, since := leastWait, time.Now()
	for len(batch) > 0 {
		outcomes, err := c.send(ctx, textsOf(batch))
		rest, last := c.settle(batch, outcomes)
		if len(rest) == 0 {
			return nil
		}
		if len(rest) < len(batch) { // it took some: it is alive
			wait, since = leastWait, time.Now()
		}
		batch = rest
		cause := causeOf(err, last)
		if daybook.CodeOf(cause) == daybook.TooLarge {
			return c.split(ctx, batch, cause)
		}
		pause := max(rand.N(wait), retryAfter(cause))
		if !worthRetrying(cause) || ctx.Err() != nil || time.Since(since)+pause > c.retryFor {
			return c.giveUp(batch, last, cause)
		}
		c.waiting(cause)
		if err := sleep(ctx, pause); err != nil {
			return c.giveUp(batch, last, err)
		}
		wait = min(2*wait, mostWait)
	}
	return nil
}

// split delivers in two parts what is too large for one request. A line that is
// too large by itself is refused.
func (c *courier) split(ctx context.Context, batch []line, cause error) error {
	if len(batch) == 1 {
		c.report(batch[0], refusedHere(cause))
		return nil
	}
	half := len(batch) / 2
	if e, ok := errors.AsType[*daybook.Error](cause); ok && e.Reason == "too_many_events" {
		c.most = half // for later batches too; bytes say nothing about those
	}
	if err := c.deliver(ctx, batch[:half]); err != nil {
		return c.giveUp(batch[half:], make([]daybook.Outcome, len(batch)-half), err)
	}
	return c.deliver(ctx, batch[half:])
}

// settle reports the lines whose outcome is final and returns the others, with
// what was said about them. Without outcomes nothing is known of any.
func (c *courier) settle(batch []line, outcomes []daybook.Outcome) (rest []line, last []daybook.Outcome) {
	if outcomes == nil {
		return batch, make([]daybook.Outcome, len(batch))
	}
	for i, o := range outcomes {
		if o.Status == daybook.Failed || o.Status == daybook.Unknown {
			rest, last = append(rest, batch[i]), append(last, o)
			continue
		}
		c.report(batch[i], o)
	}
	return rest, last
}

// causeOf is why lines are left: the error of the first of them, else that of
// the request.
func causeOf(err error, last []daybook.Outcome) error {
	if e := last[0].Err; e != nil {
		return e
	}
	return err
}

// giveUp reports the lines that are not delivered.
func (c *courier) giveUp(batch []line, last []daybook.Outcome, cause error) error {
	for i, l := range batch {
		if last[i].Err == nil {
			last[i].Err = cause
		}
		c.report(l, last[i])
	}
	return cause
}

// worthRetrying reports whether another attempt can end differently.
func worthRetrying(err error) bool {
	switch daybook.CodeOf(err) {
	case daybook.Unavailable, daybook.Exhausted, daybook.Internal:
		return !errors.Is(err, context.Canceled)
	}
	return false
}

// retryAfter is the wait that the gateway asks for.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*daybook.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// sleep waits, and returns early with ctx's cause when that ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func textsOf(batch []line) [][]byte {
	texts := make([][]byte, len(batch))
	for i := range batch {
		texts[i] = batch[i].text
	}
	return texts
}
