// Package firstparty receives what loggers inside command-line products send,
// POST /api/event_logging/batch:
//
//	{"events":[{"event_type":"…","event_data":{"event_name":"…","event_id":"…",…}},…]}
//
// What event_data has beside the event's own members is its metadata, nested as
// it was sent. The answer counts what was accepted and lists the rest; it is 200
// also when all were rejected, because those clients send a batch again, and
// keep it on disk, for as long as the answer is anything else.
package firstparty

import (
	"net/http"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/eventjson"
)

// Protocol is this protocol's name in rows and metrics.
const Protocol = "first-party"

// Path is where the handler belongs.
const Path = "/api/event_logging/batch"

// A Handler answers the route. Set the fields before the first request; Accept
// and Body are required.
type Handler struct{ intake.Door }

// ServeHTTP answers one request. What it counts as accepted is stored, was
// before, or was dropped by a rule.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	outcomes, err := h.Take(protocol, r)
	h.Answer(w, statusOf(outcomes, err), outcomes, err, render)
}

var protocol = intake.Protocol{Name: Protocol, Expects: intake.CheckMediaType, Open: open}

// form is what the bodies look like.
var form = eventjson.Form{List: "events", Data: "event_data", Time: "client_timestamp"}

func open(_ *http.Request, pay func(bytes int64) *daybook.Error) intake.Decoder {
	return &decoder{Decoder: eventjson.New(form, pay), pay: pay}
}

// statusOf is as for other protocols, except that a batch of which nothing
// failed is done with, whatever was rejected.
func statusOf(outcomes []daybook.Outcome, err *daybook.Error) int {
	status := intake.StatusOf(outcomes, err)
	if err == nil && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return http.StatusOK
	}
	return status
}
