package accept

import (
	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// mayKeep reports whether a refused event may be kept: its caller has not used
// up what is kept of bad events.
func (a *Accepter) mayKeep(b Batch, r *store.Record) bool {
	hourly := a.Quarantine
	if hourly == 0 {
		hourly = defaultQuarantine
	}
	if !a.allowance.spend(r.Caller, asideBytes(r), hourly, r.Received) {
		a.toldAside(b, false)
		return false
	}
	return true
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
func (a *Accepter) settleAside(b Batch, o *daybook.Outcome, index int, r *store.Record, receipt *store.Receipt) {
	if receipt.Status != daybook.Stored {
		a.allowance.refund(r.Caller, asideBytes(r)) // nothing of it was used
	}
	switch receipt.Status {
	case daybook.Stored, daybook.Duplicate:
		o.Durability = a.Store.Durability()
		a.toldAside(b, true)
	case daybook.Refused: // another one is kept under its id, or the store can never take it
		if daybook.CodeOf(receipt.Err) == daybook.Conflict {
			o.Durability = a.Store.Durability() // of the other one, which stays
		}
		a.toldAside(b, false)
	default:
		*o = failed(o.ID, index, receipt.Err)
	}
}

func (a *Accepter) toldAside(b Batch, kept bool) {
	if a.SetAside != nil {
		a.SetAside(b, kept)
	}
}
