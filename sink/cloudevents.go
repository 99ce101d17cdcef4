package sink

import (
	"net/url"
	"unicode"

	"daybook.dev"
	"daybook.dev/sink/internal/object"
)

// CloudEvents writes an event as a CloudEvent 1.0 in structured JSON:
//
//	attribute        of the event
//	id               ID
//	source           Source, and below it the scope where there is one: "daybook/checkout"
//	type             Name
//	time             Time, left out where there is none
//	subject          Actor
//	datacontenttype  "application/json", with data
//	data             Metadata without _eventLog, numbers and texts as they were written
//	eventtype        Type
//	caller           Origin.Caller
//	idempotencykey   IdempotencyKey
//	samplerate       SampleRate, as text: CloudEvents knows no fractions
//
// What the event lacks is left out. Source and id together tell an event from
// all others, as the specification asks: an id is unique within its scope only.
type CloudEvents struct {
	// Source is the source of all events: a URI reference. Empty means "daybook".
	Source string
}

var _ Encoding = CloudEvents{}

// structured are the attributes of every message: how it says what it is.
var structured = map[string]string{"content-type": "application/cloudevents+json"}

// Encode implements [Encoding]. The message has the attribute content-type, by
// which receivers know a CloudEvent. Beyond what [Flat] refuses, control
// characters in what becomes an attribute are an error: CloudEvents has none.
func (c CloudEvents) Encode(dst []byte, e *daybook.Event) (Message, error) {
	w := writer{dst: append(dst, `{"specversion":"1.0"`...), where: "cloudevents"}
	w.identity(e)
	w.attribute("id", e.ID)
	w.attribute("source", c.source(e))
	w.attribute("type", e.Name)
	if !e.Time.IsZero() {
		w.time("time", e.Time)
	}
	w.attribute("subject", e.Actor)
	w.attribute("eventtype", string(e.Type))
	if e.Origin != nil {
		w.attribute("caller", e.Origin.Caller)
	}
	w.attribute("idempotencykey", e.IdempotencyKey)
	if e.SampleRate != 0 {
		w.attribute("samplerate", w.sampleRate(e.SampleRate))
	}
	if len(e.Metadata) > 0 {
		w.text("datacontenttype", "application/json")
		w.name("data")
		w.metadata(e.Metadata, func(name []byte) bool { return string(name) == object.Envelope })
	}
	w.dst = append(w.dst, '}')
	m, err := w.done()
	if err == nil {
		m.Attributes = structured
	}
	return m, err
}

func (c CloudEvents) source(e *daybook.Event) string {
	source := c.Source
	if source == "" {
		source = "daybook"
	}
	if e.Origin == nil || e.Origin.Scope == "" {
		return source
	}
	return source + "/" + url.PathEscape(e.Origin.Scope)
}

// attribute appends a context attribute, unless there is nothing to say.
func (w *writer) attribute(name, value string) {
	if value == "" {
		return
	}
	for _, r := range value {
		if unicode.IsControl(r) {
			w.fail(name, "invalid_value", name+" has a control character, which CloudEvents does not allow")
			break
		}
	}
	w.text(name, value)
}
