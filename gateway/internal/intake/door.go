package intake

import (
	"context"
	"net/http"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/caller"
)

// defaultMaxEvents is how many events one request may carry.
const defaultMaxEvents = 10_000

// A Door is what the gateway gives every intake. Set the fields before the first
// request; Accept is required.
type Door struct {
	// Callers says who is calling. Nil lets everybody in as anonymous.
	Callers *caller.Registry

	// Accept stores a batch and says what became of each event.
	Accept func(context.Context, accept.Batch) []daybook.Outcome

	// Body reads requests within the limits. Nil means the default limits.
	Body *Body

	// Durability is what an event that is stored rests on.
	Durability daybook.Durability

	// MaxEvents is how many events one request may carry. Zero means 10,000.
	MaxEvents int

	// Report is told what a client says it dropped before it got here. Nil
	// means nobody is.
	Report func(caller, reason string, events uint64)

	// Refused is told of every request that is refused as a whole. Nil means
	// nobody is.
	Refused func(Refusal)
}

// Enter says who sent r, before its body is read. An error turns the request away;
// the intake answers it in its protocol's words and calls TurnedAway.
func (d *Door) Enter(protocol string, r *http.Request) (caller.Caller, *daybook.Error) {
	return d.Callers.Authenticate(protocol, r)
}

// Reported takes down what the client reports to have dropped, once its request
// has been taken. Where it was refused as a whole, for err, or an event failed, it is
// not: the client sends the request again, and with it the report.
func (d *Door) Reported(who caller.Caller, header http.Header, outcomes []daybook.Outcome, err *daybook.Error) {
	if d.Report == nil || err != nil || anyFailed(outcomes) {
		return
	}
	for _, drop := range ClientReport(header) {
		d.Report(who.Name, drop.Reason, drop.Events)
	}
}

// TurnedAway tells that a request was refused as a whole.
func (d *Door) TurnedAway(protocol string, header http.Header, err *daybook.Error) {
	if d.Refused != nil {
		d.Refused(Refusal{Protocol: protocol, Request: RequestIDOf(header), Err: err})
	}
}

// Wasted takes from a caller's quota what a request has cost that has brought no
// event to accept: its bytes, and where it was refused, for err, as much as an event.
// Otherwise whoever sends nothing but what cannot be read would be without bound. A
// request that the gateway itself had no room for costs nothing.
func (d *Door) Wasted(who caller.Caller, bytes int64, err *daybook.Error) {
	events := 0
	if err != nil {
		switch daybook.CodeOf(err) {
		case daybook.Exhausted, daybook.Unavailable, daybook.Internal:
			return
		}
		events = 1
	}
	_ = who.Take(events, int(bytes)) // where nothing is left, the next request is told
}

// MostEvents is how many events one request may carry.
func (d *Door) MostEvents() int {
	if d.MaxEvents > 0 {
		return d.MaxEvents
	}
	return defaultMaxEvents
}
