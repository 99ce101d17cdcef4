// Package eventjson reads events as people and their programs write them in
// JSON: a body is one object, several with one on each line (NDJSON), an array
// of them, or an object with a member that holds the array. Protocols that are
// made of this differ in a [Form].
//
// What belongs to the body as a whole (an array that is no JSON) refuses it as a
// whole. Everything else refuses one event, and its neighbours are decoded.
package eventjson

// A Form says what a protocol's bodies look like, beyond what is common to all.
// The zero value is that of POST /v1/events.
type Form struct {
	// One says that the body is one object, on however many lines.
	One bool

	// List names the member that holds the array of events, where the body is an
	// object around it. Its other members are read and left out. "" = none.
	List string

	// Data names the member of an event whose object has the event's members.
	// Those beside it are members too, and in neither does metadata mean more
	// than any other name. "" = none.
	Data string

	// Time is another name of event_time. "" = none.
	Time string

	// Complete refuses events that lack id, time or type: where the sender has
	// made them, one without is not what they meant to send.
	Complete bool

	// Dataset joins the metadata of every event as [DatasetName]. "" = none; then
	// the name is like any other.
	Dataset string

	// EventBytes is how large an event may be whose metadata is replaced where it
	// is larger, instead of the event being refused. Zero means that none is.
	EventBytes int
}

// DatasetName is the metadata member with the dataset that an event was sent
// to. On routes that have one it is nobody's to set.
const DatasetName = "_dataset"

// The words of refusals; docs/reasons.md explains them. What package strictjson
// says of a text is a reason of its own.
const (
	reasonEmptyBody         = "empty_body"
	reasonTooManyEvents     = "too_many_events"
	reasonByteOrderMark     = "byte_order_mark"
	reasonNotAnObject       = "not_an_object"
	reasonWrongType         = "wrong_type"
	reasonInvalidTime       = "invalid_time"
	reasonTwoTimes          = "two_times"
	reasonInvalidSampleRate = "invalid_sample_rate"
	reasonEventTooLarge     = "event_too_large"
	reasonMissingID         = "missing_id"
	reasonMissingTime       = "missing_time"
	reasonMissingType       = "missing_type"
	reasonMissingList       = "missing_list"
)
