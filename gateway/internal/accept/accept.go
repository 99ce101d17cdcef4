// Package accept takes a batch of events from an intake and answers what
// became of each one. It is the one place that knows the order of the steps:
// admit, append to the store, answer.
package accept

import (
	"cmp"
	"context"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/store"
)

// A Batch is what one request carries.
type Batch struct {
	Caller   caller.Caller
	Protocol string // the intake's name, as rows and metrics show it
	Request  string // the request's id, for logs
	Events   []admit.Submission
	Bytes    int // of the request, decompressed: what quotas count

	// Wait says that the protocol's callers wait for the destinations of the
	// Accepter. The events of other batches get there by following the store.
	Wait bool
}

// An Accepter turns batches into outcomes. It is safe for concurrent use; set
// the fields before the first call.
type Accepter struct {
	Admit    *admit.Admitter
	Store    store.Store
	Instance string // name of this gateway, in every record

	// Destinations are tried while callers wait, where their protocol says so.
	// Their names differ.
	Destinations []Destination

	// AlwaysWait lets the callers of every protocol wait for the Destinations:
	// where the store cannot be followed, nobody else would deliver to them.
	AlwaysWait bool

	// Forwarded is told what came of each attempt, for logs; no error means that
	// the destination took the event. Nil means nobody is. It must not keep the
	// record.
	Forwarded func(r *store.Record, destination string, err error)

	// Unsettled is told that the results of that many attempts could not be
	// stored: after a restart their outcome is unknown. Nil means nobody is.
	Unsettled func(attempts int, err error)

	// Observe is told the outcomes of every batch, for metrics and logs.
	// Nil means nobody is. It must not keep or change the outcomes.
	Observe func(b Batch, outcomes []daybook.Outcome)

	// Skewed is told how many events of a batch were stored although their time
	// is far from the clock, in which direction, for metrics. Nil means nobody is.
	Skewed func(b Batch, skew admit.Skew, events int)

	// Quarantine is how many bytes of each caller's refused events are kept in an
	// hour, where they are to be kept at all. Zero means 64 MiB; below zero
	// nothing is kept.
	Quarantine int

	// SetAside is told of every refused event that was to be kept whether it is,
	// for metrics. Nil means nobody is. One that a store failed to keep is failed,
	// and not told of.
	SetAside func(b Batch, kept bool)

	allowance allowance
}

// Accept admits and stores the events of b and returns an outcome for each, in
// order. An outcome of Stored means that the event is safe to the outcome's
// durability; an error beside it, that a destination the caller waited for did
// not take it. Refused with a durability means that the event is kept all the
// same, with the reason, as a dead letter, or that another one was before under its
// id. The events that fail do so together: one append carries them all.
func (a *Accepter) Accept(ctx context.Context, b Batch) []daybook.Outcome {
	outcomes := make([]daybook.Outcome, len(b.Events))
	if err := b.Caller.Take(len(b.Events), b.Bytes); err != nil {
		return a.overQuota(b, outcomes, err)
	}
	admitted := a.admit(b, outcomes)
	if len(admitted.records) > 0 {
		receipts, err := a.Store.Append(ctx, admitted.records)
		stored := a.settle(b, outcomes, admitted, receipts, err)
		a.observeSkew(b, admitted.records, receipts)
		if len(stored) > 0 {
			a.forward(ctx, stored, outcomes)
		}
	}
	if a.Observe != nil {
		a.Observe(b, outcomes)
	}
	return outcomes
}

// An admitted is what of a batch is for the store: the events that are acceptable,
// and those refused ones that are kept.
type admitted struct {
	records []store.Record
	indexes []int // of each in the batch
}

// admit fills in the outcomes of the refused and dropped events and returns what
// is for the store.
func (a *Accepter) admit(b Batch, outcomes []daybook.Outcome) admitted {
	records := make([]store.Record, 0, len(b.Events))
	indexes := make([]int, 0, len(b.Events))
	from := admit.Origin{Caller: b.Caller.Name, Protocol: b.Protocol, Instance: a.Instance, MaySend: b.Caller.MaySend}
	for i := range b.Events {
		records = append(records, store.Record{})
		record := &records[len(records)-1]
		verdict := a.Admit.Admit(b.Events[i], from, record)
		if !a.toStore(b, i, verdict, record, &outcomes[i]) {
			records = records[:len(records)-1]
			continue
		}
		indexes = append(indexes, i)
	}
	return admitted{records, indexes}
}

// toStore reports whether a record is for the store. Of an event that is refused
// or dropped it fills in the outcome.
func (a *Accepter) toStore(b Batch, index int, v admit.Verdict, r *store.Record, o *daybook.Outcome) bool {
	switch {
	case v.Refusal != nil:
		v.Refusal.Index = index
		*o = daybook.Outcome{ID: cmp.Or(b.Events[index].Event.ID, r.Event.ID), Status: daybook.Refused, Reason: v.Refusal.Reason, Err: v.Refusal}
		return r.Kind == store.KindRefused && a.mayKeep(b, r)
	case v.Dropped != "":
		*o = daybook.Outcome{ID: r.Event.ID, Status: daybook.Dropped, Reason: v.Dropped}
		return false
	}
	if b.Wait || a.AlwaysWait {
		r.Awaited = a.awaited(r)
	}
	return true
}

// settle writes what the store decided into the outcomes and returns the events
// that this batch stored and that are awaited somewhere. Without receipts nothing
// was stored, and every record failed with the store's error.
func (a *Accepter) settle(b Batch, outcomes []daybook.Outcome, admitted admitted, receipts []store.Receipt, err error) (stored []fresh) {
	durability, records := a.Store.Durability(), admitted.records
	for n, i := range admitted.indexes {
		if records[n].Kind == store.KindRefused {
			receipt := store.Receipt{Status: daybook.Failed, Err: err}
			if err == nil {
				receipt = receipts[n]
			}
			a.settleAside(b, &outcomes[i], i, &records[n], &receipt)
			continue
		}
		if err != nil {
			outcomes[i] = failed(records[n].Event.ID, i, err)
			continue
		}
		outcomes[i] = outcomeOf(receipts[n], i, durability)
		if receipts[n].Status == daybook.Stored && len(records[n].Awaited) > 0 {
			stored = append(stored, fresh{index: i, record: &records[n], position: receipts[n].Position})
		}
	}
	return stored
}

func outcomeOf(r store.Receipt, index int, durability daybook.Durability) daybook.Outcome {
	switch r.Status {
	case daybook.Stored, daybook.Duplicate:
		return daybook.Outcome{ID: r.ID, Status: r.Status, Durability: durability}
	case daybook.Refused:
		e := indexed(r.Err, index)
		return daybook.Outcome{ID: r.ID, Status: daybook.Refused, Reason: e.Reason, Err: e}
	}
	return failed(r.ID, index, r.Err)
}

func failed(id string, index int, err error) daybook.Outcome {
	e := indexed(err, index)
	return daybook.Outcome{ID: id, Status: daybook.Failed, Reason: e.Reason, Err: e}
}
