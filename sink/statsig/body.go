package statsig

import (
	"bytes"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/sink/internal/object"
)

const (
	maxName     = 64   // characters of an event's name
	maxMetadata = 4096 // characters of the metadata as JSON
	maxID       = 256  // bytes of an event's id: what a gateway takes
)

// What stands around the events of a request.
const (
	begin = `{"events":[`
	end   = `],"statsigMetadata":{"sdkType":"daybook"}}`
)

// A body is the content of one request.
type body struct {
	text      []byte
	user      []byte
	now       time.Time
	events    int
	truncated uint64 // events of which something was cut off

	compact []byte   // the metadata of the event at hand
	members []member // what is sent of it
}

// A member is one of the metadata's, name and value as JSON strings.
type member struct{ name, value []byte }

// add appends an event. After an error nothing is added.
func (b *body) add(e *daybook.Event) error {
	switch {
	case e.ID == "":
		return refusal("event_id", "blank_text", "an event without event_id cannot be written")
	case e.Name == "":
		return refusal("event_name", "blank_name", "an event without event_name cannot be written")
	case len(e.ID) > maxID:
		return refusal("event_id", "text_too_long", "event_id has more than 256 bytes")
	}
	name, err := quote("event_name", e.Name)
	if err != nil {
		return err
	}
	if err := b.collect(e); err != nil {
		return err
	}
	short := clip(e.Name, maxName)
	cut := len(short) < len(e.Name)
	if cut {
		name, _ = jsontext.AppendQuote(nil, short)
	}
	if b.events++; b.events > 1 {
		b.text = append(b.text, ',')
	}
	b.text = append(append(b.text, `{"eventName":`...), name...)
	b.text = append(append(b.text, `,"user":`...), b.user...)
	at := e.Time
	if at.IsZero() {
		at = b.now
	}
	b.text = strconv.AppendInt(append(b.text, `,"time":`...), at.UnixMilli(), 10)
	b.text = append(b.text, `,"metadata":`...)
	cut = b.metadata() || cut
	b.text = append(b.text, '}')
	if cut {
		b.truncated++
	}
	return nil
}

// collect gathers the members of an event's metadata, event_id first.
func (b *body) collect(e *daybook.Event) error {
	b.members = b.members[:0]
	for _, own := range []struct{ name, value string }{
		{"event_id", e.ID}, {"event_type", string(e.Type)}, {"actor_id", e.Actor},
	} {
		value, err := quote(own.name, own.value)
		if err != nil {
			return err
		}
		if own.value != "" {
			b.members = append(b.members, member{[]byte(`"` + own.name + `"`), value})
		}
	}
	if len(e.Metadata) == 0 {
		return nil
	}
	var err error
	if b.compact, err = object.AppendCompact(b.compact[:0], e.Metadata); err != nil {
		// The error's own text would show what the metadata says.
		return refusal("metadata", "invalid_json", "metadata is not valid JSON in UTF-8, or has a name twice")
	}
	if b.compact[0] != '{' {
		return refusal("metadata", "wrong_type", "metadata must be an object")
	}
	for name, value := range object.Members(b.compact) {
		name = plain(name)
		if ours(e, name) {
			continue
		}
		if value[0] == '"' {
			value = plain(value)
		} else {
			value, _ = jsontext.AppendQuote(nil, value) // compact JSON is UTF-8
		}
		b.members = append(b.members, member{name, value})
	}
	return nil
}

// ours reports whether a member of that name, as JSON, is the event's own or a
// gateway's.
func ours(e *daybook.Event, name []byte) bool {
	switch string(name) {
	case `"event_id"`, `"` + object.Envelope + `"`:
		return true
	case `"event_type"`:
		return e.Type != ""
	case `"actor_id"`:
		return e.Actor != ""
	}
	return false
}

// metadata appends the members that were collected, and reports whether
// something of them had to be cut off.
func (b *body) metadata() bool {
	members, most, cut := fit(b.members, maxMetadata)
	b.text = append(b.text, '{')
	for i, m := range members {
		if i > 0 {
			b.text = append(b.text, ',')
			m.value = shorten(m.value, most)
		}
		b.text = append(append(append(b.text, m.name...), ':'), m.value...)
	}
	b.text = append(b.text, '}')
	return cut
}

// quote returns text as a JSON string.
func quote(name, text string) ([]byte, error) {
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return nil, refusal(name, "invalid_utf8", name+" is not valid UTF-8")
	}
	return quoted, nil
}

// plain returns a JSON string with no more escapes than it needs, so that it is
// as long as what it says.
func plain(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // it is valid
	quoted, _ = jsontext.AppendQuote(nil, text)
	return quoted
}

func refusal(field, reason, message string) error {
	return &daybook.Error{Code: daybook.Invalid, Where: where, Field: field, Reason: reason, Message: message}
}
