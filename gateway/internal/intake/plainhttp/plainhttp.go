// Package plainhttp is Daybook's own protocol, POST /v1/events: JSON as people
// and curl write it, one result per event.
//
// A body is one JSON object, several with one on each line (NDJSON), or an
// array of them; its first byte that is not blank decides, whatever the
// Content-Type says, unless that names a format that is known to be another.
// What belongs to the body as a whole (its size, its compression, an array that
// is no JSON) refuses it as a whole, and nothing of it is stored. Everything
// else refuses one event, and its neighbours are stored.
//
// decode and render are functions of bytes; only the handler knows HTTP.
package plainhttp

// Protocol is this protocol's name in rows and metrics.
const Protocol = "http"

// Path is where the handler belongs.
const Path = "/v1/events"

// The words of refusals that only this protocol gives; docs/reasons.md explains
// them. What package strictjson says of a text is a reason of its own.
const (
	reasonUnsupportedMediaType = "unsupported_media_type"
	reasonEmptyBody            = "empty_body"
	reasonTooManyEvents        = "too_many_events"
	reasonByteOrderMark        = "byte_order_mark"
	reasonNotAnObject          = "not_an_object"
	reasonWrongType            = "wrong_type"
	reasonInvalidTime          = "invalid_time"
	reasonTwoTimes             = "two_times"
	reasonInvalidSampleRate    = "invalid_sample_rate"
	reasonEventTooLarge        = "event_too_large"
)
