// Package segment receives what Segment-compatible SDKs send, to the paths that
// they have built in: POST /v1/track and its siblings with one message, /v1/batch
// and /v1/import with several.
//
//	of the event    from the message
//	ID              messageId
//	Name            event of a track call; of the others the kind of the call
//	Type            behavioral for track, page and screen, identity for the rest
//	Actor           userId, else anonymousId
//	Time            timestamp, corrected by how far the sender's clock is off
//	Metadata        everything else as it is, and the timestamp as originalTimestamp
//
// The sender's clock is off by as much as sentAt differs from when the request
// was received. sentAt itself is another one in each attempt to send the same
// message, and is therefore not kept: what it says is in the corrected time.
//
// docs/protocols.md has the whole agreement.
package segment

import (
	"net/http"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

// Protocol is this protocol's name in rows and metrics.
const Protocol = "segment"

// identity is the type of events that say who somebody is.
const identity daybook.Type = "identity"

// A kind is what a message is about: the word that stands in its member type.
type kind string

const (
	track    kind = "track"
	identify kind = "identify"
	page     kind = "page"
	screen   kind = "screen"
	group    kind = "group"
	alias    kind = "alias"

	batch kind = "" // each message says its own
)

// types are what events of each kind are.
var types = map[kind]daybook.Type{
	track: daybook.Behavioral, page: daybook.Behavioral, screen: daybook.Behavioral,
	identify: identity, group: identity, alias: identity,
}

// paths are where SDKs send; those in browsers use the short ones.
var paths = map[string]kind{
	"/v1/track": track, "/v1/t": track,
	"/v1/identify": identify, "/v1/i": identify,
	"/v1/page": page, "/v1/p": page,
	"/v1/screen": screen, "/v1/s": screen,
	"/v1/group": group, "/v1/g": group,
	"/v1/alias": alias, "/v1/a": alias,
	"/v1/batch": batch, "/v1/b": batch, "/v1/import": batch,
}

// The words of refusals; docs/reasons.md explains them. What package strictjson
// says of a text is a reason of its own.
const (
	reasonEmptyBody     = "empty_body"
	reasonByteOrderMark = "byte_order_mark"
	reasonTooManyEvents = "too_many_events"
	reasonMissingList   = "missing_list"
	reasonNotAnObject   = "not_an_object"
	reasonBlankName     = "blank_name"
	reasonWrongType     = "wrong_type"
	reasonInvalidTime   = "invalid_time"
	reasonInvalidValue  = "invalid_value"
	reasonEventTooLarge = "event_too_large"
)

// A Handler answers the routes. Set the fields before the first request; Accept
// and Body are required.
type Handler struct {
	intake.Door

	Now func() time.Time // nil = time.Now
}

// Handle adds the routes to mux, each made by wrap of the handler.
func (h *Handler) Handle(mux *http.ServeMux, wrap func(http.Handler) http.Handler) {
	wrapped := wrap(h)
	for path := range paths {
		mux.Handle(path, wrapped)
	}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	outcomes, err := h.Take(intake.Protocol{Name: Protocol, Expects: intake.CheckMediaType, Open: h.open}, r)
	h.Answer(w, intake.StatusOf(outcomes, err), outcomes, err, render)
}

func (h *Handler) open(r *http.Request, pay func(bytes int64) *daybook.Error) intake.Decoder {
	now := time.Now
	if h.Now != nil {
		now = h.Now
	}
	return newDecoder(paths[r.URL.Path], now(), pay)
}

// render appends the reply. Where nothing is wrong it is what SDKs expect, to the
// byte; else the results stand beside, which SDKs pass over and people read.
func render(dst []byte, durability daybook.Durability, outcomes []daybook.Outcome, err *daybook.Error) []byte {
	switch {
	case intake.StatusOf(outcomes, err) != http.StatusOK:
		dst = append(dst, `{"success":false,`...)
	case !anyRefused(outcomes):
		return append(dst, `{"success":true}`...)
	default:
		dst = append(dst, `{"success":true,`...)
	}
	mark := len(dst) - 1
	dst = intake.AppendResults(dst[:mark], durability, outcomes, err)
	dst[mark] = ',' // where the results began their object
	return dst
}

func anyRefused(outcomes []daybook.Outcome) bool {
	for i := range outcomes {
		if outcomes[i].Status == daybook.Refused {
			return true
		}
	}
	return false
}

func refusal(field, reason, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Field: field, Reason: reason, Message: message}
}
