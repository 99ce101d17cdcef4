// Package cloudevents receives CloudEvents 1.0 over HTTP, POST /v1/cloudevents,
// in the three modes of its HTTP binding: binary (attributes are headers, the
// body is the data), structured (one event as JSON) and batched (an array).
//
//	attribute       of the event
//	id              ID, unique within its source
//	source          whom the id is unique within; _cloudEvent
//	type            Name
//	time            Time
//	subject         Actor; _cloudEvent where it is longer than an actor may be
//	data            Metadata, where it is a JSON object; else _cloudEvent
//	eventtype       Type
//	idempotencykey  IdempotencyKey
//	samplerate      SampleRate
//	any other       _cloudEvent
//
// _cloudEvent is a member of the metadata: what the event has no place for, as
// JSON has it in structured mode, in the order of names. So a CloudEvent means
// the same whichever mode it came in (but for extensions that are no text: as
// headers they are), and one that Daybook has published is the event it was made
// from.
package cloudevents

import (
	"net/http"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

// Protocol is this protocol's name in rows and metrics.
const Protocol = "cloudevents"

// Path is where the handler belongs.
const Path = "/v1/cloudevents"

// The words of refusals that only this protocol gives; docs/reasons.md explains
// them.
const (
	reasonMissingID     = "missing_id"
	reasonMissingSource = "missing_source"
	reasonBlankName     = "blank_name"
	reasonInvalidValue  = "invalid_value"
	reasonInvalidTime   = "invalid_time"
	reasonInvalidBase64 = "invalid_base64"
	reasonTwoPayloads   = "two_payloads"
	reasonWrongType     = "wrong_type"
	reasonNotAnObject   = "not_an_object"
)

// A Handler answers the route. Set the fields before the first request; Accept
// and Body are required.
type Handler struct{ intake.Door }

// ServeHTTP answers one request, as POST /v1/events is answered.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	outcomes, err := h.Take(protocol, r)
	h.Answer(w, intake.StatusOf(outcomes, err), outcomes, err, intake.AppendResults)
}

var protocol = intake.Protocol{Name: Protocol, Expects: expects, Open: open}

func expects(r *http.Request) *daybook.Error {
	_, err := modeOf(r.Header)
	return err
}

func open(r *http.Request, pay func(bytes int64) *daybook.Error) intake.Decoder {
	mode, _ := modeOf(r.Header) // expects has asked
	return newDecoder(mode, r.Header, pay)
}

func refusal(field, reason, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Field: field, Reason: reason, Message: message}
}
