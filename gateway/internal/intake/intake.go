// Package intake has what the intakes of all protocols share: reading a
// request's body within the limits and the memory budget, the request's id, and
// the report a client sends about what it dropped. Each protocol has a folder
// of its own below this one.
package intake

import "daybook.dev"

// The words of refusals that any intake may give; docs/reasons.md explains them.
const (
	ReasonBodyTooLarge         = "body_too_large"
	ReasonBodyIncomplete       = "body_incomplete"
	ReasonMemoryExhausted      = "memory_exhausted"
	ReasonUnsupportedMediaType = "unsupported_media_type"
	ReasonUnsupportedEncoding  = "unsupported_encoding"
	ReasonInvalidCompression   = "invalid_compression"
	ReasonWindowTooLarge       = "window_too_large"
	ReasonMethodNotAllowed     = "method_not_allowed"
)

// A Refusal is a request that is refused as a whole: none of its events got as
// far as a batch.
type Refusal struct {
	Protocol string
	Request  string // its id
	Err      *daybook.Error
}

func refusal(code daybook.Code, reason, message string) *daybook.Error {
	return &daybook.Error{Code: code, Reason: reason, Message: message}
}
