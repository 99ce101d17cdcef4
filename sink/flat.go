package sink

import (
	"daybook.dev"
	"daybook.dev/sink/internal/object"
)

// Flat writes an event as one flat JSON object on one line, the form in which
// activity events have always been sent: event_id, event_time (RFC 3339 in UTC,
// to the nanosecond), event_type and event_name, and beside them the members of
// the metadata, numbers and texts as they were written.
//
// The four are always there; an event without a type or a time has empty text.
// An event that has an actor, an idempotency key or a sample rate also has
// actor_id, idempotency_key or sample_rate. All these win over members of the
// metadata with the same names. What only a gateway knows is not written, and
// neither is _eventLog.
//
// A gateway that is sent such a message at POST /v1/events stores the same
// event, as long as the names in its metadata mean nothing else there (metadata,
// event_ts, caller, …; docs/protocols.md lists them). An event without an actor
// gets the one that user_id names.
type Flat struct{}

var _ Encoding = Flat{}

// Encode implements [Encoding]. The message has no attributes. An event without
// id or name is an error, as is text that is not UTF-8, metadata that is no
// JSON object, and an object with one name twice: two readers could read it
// differently.
func (Flat) Encode(dst []byte, e *daybook.Event) (Message, error) {
	w := writer{dst: append(dst, '{'), where: "flat"}
	w.identity(e)
	w.text("event_id", e.ID)
	w.time("event_time", e.Time)
	w.text("event_type", string(e.Type))
	w.text("event_name", e.Name)
	if e.Actor != "" {
		w.text("actor_id", e.Actor)
	}
	if e.IdempotencyKey != "" {
		w.text("idempotency_key", e.IdempotencyKey)
	}
	if e.SampleRate != 0 {
		w.name("sample_rate")
		w.dst = append(w.dst, w.sampleRate(e.SampleRate)...)
	}
	w.attributes(e)
	return w.done()
}

// attributes appends the members of the metadata beside the others, and ends
// the object.
func (w *writer) attributes(e *daybook.Event) {
	if len(e.Metadata) == 0 {
		w.dst = append(w.dst, '}')
		return
	}
	start := len(w.dst)
	w.metadata(e.Metadata, func(name []byte) bool { return ownMember(e, name) })
	if w.err != nil {
		return
	}
	if w.dst[start+1] == '}' {
		w.dst = append(w.dst[:start], '}')
		return
	}
	w.dst[start] = ','
}

// ownMember reports whether a member of that name is the event's own, or a
// gateway's.
func ownMember(e *daybook.Event, name []byte) bool {
	switch string(name) {
	case "event_id", "event_time", "event_type", "event_name", object.Envelope:
		return true
	case "actor_id":
		return e.Actor != ""
	case "idempotency_key":
		return e.IdempotencyKey != ""
	case "sample_rate":
		return e.SampleRate != 0
	}
	return false
}
