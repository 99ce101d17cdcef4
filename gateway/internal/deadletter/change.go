package deadletter

import (
	"context"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// A Result is what became of one dead letter that was retried or dropped.
type Result string

// The results.
const (
	Delivered     Result = "delivered"      // its destination has it; it is closed
	Failed        Result = "failed"         // tried, and not taken; it stays, where it was refused with the new reason
	NotKept       Result = "not_kept"       // the event is no longer kept, so it cannot be tried; it stays
	NotTried      Result = "not_tried"      // the destination failed, or the call ended, before its turn; it stays
	NoDestination Result = "no_destination" // the gateway itself set it aside, or its destination is not there any more; it stays
	Dropped       Result = "dropped"        // given up by an operator; it is closed
)

// A Done is what became of one dead letter.
type Done struct {
	Entry
	Result Result
	Err    error // why, for Failed
}

// A Summary counts what became of the dead letters of one call.
type Summary struct {
	Matched   int            // how many the filter means
	Results   map[Result]int // how many ended how
	Remaining int            // how many lie beyond the limit, untouched
	Last      store.Position // the newest record of those within it; a next call may go on behind it
}

// A change is one call of Retry or Drop under way.
type change struct {
	index   *Index
	each    func(Done)
	summary Summary
}

// begin finds what f means, oldest first, for a call that changes it. Only one
// is under way at any time: done ends it.
func (x *Index) begin(ctx context.Context, f Filter, each func(Done)) (c *change, found []Entry, done func(), err error) {
	if err := f.checkChange(); err != nil {
		return nil, nil, nil, err
	}
	select {
	case x.changing <- struct{}{}:
	default:
		return nil, nil, nil, unavailable("busy", "another retry or drop of dead letters is under way; try again when it has ended")
	}
	done = func() { release(x.changing) }
	complete, err := x.current(ctx)
	if err == nil && !complete {
		// What is open may have been settled in records not taken in yet.
		err = unavailable("still_reading", "the dead letters are still being looked up in the journal; try again soon")
	}
	if err != nil {
		done()
		return nil, nil, nil, err
	}
	// Oldest first: what is refused again is the newest then, so that calling
	// again goes on with those that have not had their turn.
	list := x.find(f, f.limit(maxLimit), (*letters).oldestFirst)
	c = &change{index: x, each: each, summary: Summary{
		Matched: list.Matched, Remaining: list.Matched - len(list.Entries), Results: map[Result]int{},
	}}
	if n := len(list.Entries); n > 0 {
		c.summary.Last = list.Entries[n-1].Record
	}
	if c.each == nil {
		c.each = func(Done) {}
	}
	return c, list.Entries, done, nil
}

func unavailable(reason, message string) error {
	return &daybook.Error{Code: daybook.Unavailable, Where: "deadletter", Reason: reason, Message: message, RetryAfter: 5 * time.Second}
}

// report counts what became of a dead letter, and tells whoever asked.
func (c *change) report(e Entry, r Result, err error) {
	c.summary.Results[r]++
	c.each(Done{Entry: e, Result: r, Err: err})
}

func (c *change) reportAll(entries []Entry, r Result) {
	for _, e := range entries {
		c.report(e, r, nil)
	}
}

// append stores records about dead letters. Nil means that all are stored. It
// does not end with ctx: what is done is noted.
func (c *change) append(ctx context.Context, records []store.Record) error {
	if len(records) == 0 {
		return nil
	}
	receipts, err := c.index.options.Source.Append(context.WithoutCancel(ctx), records)
	if err != nil {
		return err
	}
	for i := range receipts {
		if receipts[i].Status != daybook.Stored {
			return receipts[i].Err
		}
	}
	return nil
}

// settled is the record that closes a dead letter.
func settled(e Entry, status daybook.Status, reason string) store.Record {
	return store.Record{
		Kind:       store.KindSettled,
		Event:      daybook.Event{ID: e.EventID},
		Caller:     e.Caller,
		Received:   time.Now().UTC(),
		Settlement: &store.Settlement{Position: e.Position, Destination: e.Destination, Status: status, Reason: reason},
	}
}

// dropRecords is how many are dropped with one append.
const dropRecords = 500

// Drop gives up the dead letters that f means, which must say so: see
// [Filter]. each, which may be nil, is told what became of each.
//
// The error says why the call ended before all were dropped; the summary counts
// what was done until then. Those that a crash leaves behind are still listed.
func (x *Index) Drop(ctx context.Context, f Filter, each func(Done)) (Summary, error) {
	c, left, done, err := x.begin(ctx, f, each)
	if err != nil {
		return Summary{}, err
	}
	defer done()
	for len(left) > 0 && ctx.Err() == nil {
		batch := left[:min(len(left), dropRecords)]
		records := make([]store.Record, 0, len(batch))
		for _, e := range batch {
			records = append(records, settled(e, daybook.Dropped, "dropped_by_operator"))
		}
		if err := c.append(ctx, records); err != nil {
			c.reportAll(left, NotTried)
			return c.summary, err
		}
		left = left[len(batch):]
		c.reportAll(batch, Dropped)
	}
	c.reportAll(left, NotTried)
	return c.summary, interrupted(ctx)
}

// interrupted is the error of a call that ctx ended, nil where it did not.
func interrupted(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return &daybook.Error{
		Code: daybook.Unavailable, Where: "deadletter", Reason: "interrupted",
		Message: "the call ended before all had their turn: call again", Err: ctx.Err(),
	}
}
