package accept

import (
	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// setAside reports whether a refused event may be kept: its caller has not used
// up what is kept of bad events.
func (a *Accepter) setAside(r *store.Record) bool {
	hourly := a.Quarantine
	if hourly == 0 {
		hourly = defaultQuarantine
	}
	return a.allowance.spend(r.Caller, asideBytes(r), hourly, r.Received)
}

// asideBytes is about what the record of an event that is set aside takes.
func asideBytes(r *store.Record) int {
	const fixed = 256 // key, digest, times, and who it comes from
	e, f := &r.Event, r.Refusal
	return fixed + len(e.ID) + len(e.Name) + len(e.Type) + len(e.Actor) + len(e.IdempotencyKey) + len(e.Metadata) +
		len(f.Reason) + len(f.Field) + len(f.Message)
}

// settleAside writes into the outcome of a refused event whether it is kept. It
// is as refused as it was; only where the store failed it is not: then sending it
// again is what keeps it.
func (a *Accepter) settleAside(o *daybook.Outcome, index int, r *store.Record, receipt *store.Receipt, durability daybook.Durability) {
	switch receipt.Status {
	case daybook.Stored:
		o.Durability = durability
		return
	case daybook.Duplicate:
		o.Durability = durability
	case daybook.Failed:
		*o = failed(o.ID, index, receipt.Err)
	}
	a.allowance.refund(r.Caller, asideBytes(r)) // nothing of it was used
}

// observeAside tells how many of the refused events of b were kept, and how many
// were not although they should have been.
func (a *Accepter) observeAside(b Batch, outcomes []daybook.Outcome) {
	if a.SetAside == nil {
		return
	}
	kept, lost := 0, 0
	for i := range outcomes {
		if outcomes[i].Status != daybook.Refused || !b.Events[i].Quarantine {
			continue
		}
		if outcomes[i].Durability != daybook.NotDurable {
			kept++
			continue
		}
		lost++
	}
	if kept+lost > 0 {
		a.SetAside(b, kept, lost)
	}
}
