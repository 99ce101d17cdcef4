package accept

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// A Destination is one that callers wait for: once their events are safe it is
// tried before they are answered, and what came of it is settled in the store.
type Destination struct {
	Name string

	// Sink must return from Write when its context ends. One that does not
	// keeps its callers waiting: the events are the sink's until it returns,
	// and giving up on it would leave their memory with somebody unknown.
	Sink daybook.Sink

	// Within is how long a caller waits at most. Zero means 2s.
	Within time.Duration

	// Wants reports whether the destination is to get the record. Nil means
	// every record.
	Wants func(*store.Record) bool

	// Shape leaves of an event what the destination is to get. Nil means that
	// it gets everything.
	Shape func(*daybook.Event)
}

const (
	defaultWithin = 2 * time.Second

	// answerTime is kept back from a caller's own deadline, so that the answer
	// "stored, but not forwarded" still reaches it. Without it the caller would
	// time out, try again, and store the event twice.
	answerTime = 50 * time.Millisecond
)

// A fresh event was stored by this call: not refused, not failed, and not a
// duplicate, whose first copy has been settled already.
type fresh struct {
	index    int // in the batch
	record   *store.Record
	position store.Position
}

// awaited names the destinations that r will be tried with. The record keeps
// them, so that whoever follows the store can tell an attempt that a crash cut
// off from one that was never made.
func (a *Accepter) awaited(r *store.Record) (names []string) {
	for i := range a.Destinations {
		if d := &a.Destinations[i]; d.Wants == nil || d.Wants(r) {
			names = append(names, d.Name)
		}
	}
	return names
}

// forward tries the destinations with the fresh events, all at once, and writes
// what failed into the outcomes. It returns after every attempt is settled in
// the store, so that no crash afterwards can change what the caller was told.
func (a *Accepter) forward(ctx context.Context, events []fresh, outcomes []daybook.Outcome) {
	attempts := make([][]settlement, len(a.Destinations))
	var tries sync.WaitGroup
	for i := range a.Destinations {
		tries.Go(func() { attempts[i] = a.Destinations[i].try(ctx, events) })
	}
	tries.Wait()

	var records []store.Record
	for _, attempt := range attempts {
		for _, s := range attempt {
			s.mark(&outcomes[s.index])
			if a.Forwarded != nil {
				a.Forwarded(s.fresh.record, s.destination, s.err)
			}
			records = append(records, s.record())
		}
	}
	if len(records) == 0 {
		return
	}
	receipts, err := a.Store.Append(context.WithoutCancel(ctx), records)
	if a.Unsettled == nil {
		return
	}
	if lost, why := unsettled(len(records), receipts, err); lost > 0 {
		a.Unsettled(lost, why)
	}
}

// unsettled counts the results that an append has not stored, and why the
// first of them is not.
func unsettled(records int, receipts []store.Receipt, err error) (lost int, why error) {
	if err != nil {
		return records, err
	}
	for i := range receipts {
		switch receipts[i].Status {
		case daybook.Stored, daybook.Dropped: // a store that keeps no results says so when it is chosen
			continue
		}
		if lost++; why == nil {
			why = receipts[i].Err
		}
	}
	return lost, why
}

// try writes the events that await the destination, once, within its patience.
// The caller going away does not end the attempt: its result is recorded either
// way.
func (d *Destination) try(ctx context.Context, events []fresh) []settlement {
	var settled []settlement
	for _, e := range events {
		if slices.Contains(e.record.Awaited, d.Name) {
			settled = append(settled, settlement{fresh: e, destination: d.Name})
		}
	}
	if len(settled) == 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.patience(ctx))
	defer cancel()
	for rest := settled; len(rest) > 0; {
		n := distinct(rest)
		apply(d.write(bounded, d.shapedAll(rest[:n])), rest[:n])
		rest = rest[n:]
	}
	return settled
}

// distinct is how many events at the front have ids that differ. The same id may be
// there twice, of two publishers, and a sink names by their ids those it has not
// taken: what one Write is given has no id twice.
func distinct(settled []settlement) int {
	if len(settled) == 1 {
		return 1 // as of every LogEvent
	}
	seen := make(map[string]bool, len(settled))
	for n := range settled {
		id := settled[n].fresh.record.Event.ID
		if seen[id] {
			return n
		}
		seen[id] = true
	}
	return len(settled)
}

// shapedAll is what the destination gets of the events.
func (d *Destination) shapedAll(settled []settlement) []daybook.Event {
	events := make([]daybook.Event, len(settled))
	for n := range settled {
		events[n] = d.shaped(settled[n].fresh.record)
	}
	return events
}

// shaped is what the destination gets of a record.
func (d *Destination) shaped(r *store.Record) daybook.Event {
	event := r.Outgoing()
	if d.Shape != nil {
		d.Shape(&event)
	}
	return event
}

// write is the sink's Write. A panic in a destination's code is that
// destination's failure: the events are stored, and their callers are told.
func (d *Destination) write(ctx context.Context, events []daybook.Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("destination %s panicked: %v", d.Name, p)
		}
	}()
	return d.Sink.Write(ctx, events)
}

// patience is how long the attempt may take: the destination's limit, less
// where the caller's own deadline comes first.
func (d *Destination) patience(ctx context.Context) time.Duration {
	within := d.Within
	if within <= 0 {
		within = defaultWithin
	}
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(deadline)-answerTime)
	}
	return within
}

// apply notes what a sink's Write returned on the settlements it is about.
func apply(err error, settled []settlement) {
	if err == nil {
		return
	}
	partial, ok := errors.AsType[*daybook.PartialError](err)
	if !ok {
		for i := range settled {
			settled[i].err = err
		}
		return
	}
	failed := make(map[string]error, len(partial.Failed))
	for _, o := range partial.Failed {
		failed[o.ID] = o.Err
		if o.Err == nil {
			failed[o.ID] = partial
		}
	}
	for i := range settled {
		settled[i].err = failed[settled[i].fresh.record.Event.ID]
	}
}

// A settlement is what one destination said about one event; no err means that
// it took it.
type settlement struct {
	fresh
	destination string
	err         error
}

// reasonForward is the reason of an event that is stored and was not forwarded.
const reasonForward = "forward_failed"

// mark notes a failure on the event's outcome, which stays Stored.
func (s *settlement) mark(o *daybook.Outcome) {
	if s.err == nil || o.Err != nil {
		return
	}
	o.Reason = reasonForward
	o.Err = &daybook.Error{
		Code: daybook.Unavailable, Reason: reasonForward, Index: s.index,
		Message: "the event is stored, but it was not forwarded to " + s.destination, Err: s.err,
	}
}

// record is the settled record to keep. A failure is a dead letter: the caller
// was told, so it is not tried again unless somebody asks for it.
func (s *settlement) record() store.Record {
	verdict := store.Settlement{Position: s.position, Destination: s.destination, Status: daybook.Stored}
	about := daybook.Event{ID: s.fresh.record.Event.ID}
	if s.err != nil {
		verdict.Status, verdict.Reason = daybook.Failed, reasonForward
		about.Name = s.fresh.record.Event.Name // dead letters are looked for by it
	}
	return store.Record{
		Kind:       store.KindSettled,
		Event:      about,
		Caller:     s.fresh.record.Caller,
		Instance:   s.fresh.record.Instance,
		Received:   time.Now().UTC(),
		Settlement: &verdict,
	}
}
