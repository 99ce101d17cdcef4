package sink

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/sink/internal/object"
)

// A writer appends the members of one JSON object. After an error it writes on,
// and what it has written is no JSON any more.
type writer struct {
	dst   []byte
	where string         // names the encoding in errors
	err   *daybook.Error // the first one
}

// text appends a member that is text.
func (w *writer) text(name, value string) {
	w.name(name)
	start := len(w.dst)
	dst, err := jsontext.AppendQuote(w.dst, value)
	if err != nil {
		// The error's own text would show the text at fault.
		w.fail(name, "invalid_utf8", name+" is not valid UTF-8")
		dst = append(dst[:start], `""`...)
	}
	w.dst = dst
}

// identity refuses an event that nobody could tell from others.
func (w *writer) identity(e *daybook.Event) {
	if e.ID == "" {
		w.fail("event_id", "blank_text", "an event without event_id cannot be written")
	}
	if e.Name == "" {
		w.fail("event_name", "blank_name", "an event without event_name cannot be written")
	}
}

// time appends a member with a time in UTC, to the nanosecond. The zero time
// is empty text.
func (w *writer) time(name string, t time.Time) {
	w.name(name)
	w.dst = append(w.dst, '"')
	if t = t.UTC(); !t.IsZero() {
		if t.Year() < 0 || t.Year() > 9999 {
			w.fail(name, "invalid_time", name+" is outside the years 0000 to 9999")
		}
		w.dst = t.AppendFormat(w.dst, time.RFC3339Nano)
	}
	w.dst = append(w.dst, '"')
}

// name begins a member. It has to be one that needs no escapes.
func (w *writer) name(name string) {
	if last := w.dst[len(w.dst)-1]; last != '{' {
		w.dst = append(w.dst, ',')
	}
	w.dst = append(w.dst, '"')
	w.dst = append(w.dst, name...)
	w.dst = append(w.dst, `":`...)
}

// sampleRate returns the share of such events that was kept, as text.
func (w *writer) sampleRate(rate float64) string {
	if !(rate > 0 && rate <= 1) { // NaN is not either
		w.fail("sample_rate", "invalid_sample_rate", "sample_rate must be above 0 and at most 1")
	}
	return strconv.FormatFloat(rate, 'g', -1, 64)
}

// metadata appends an event's metadata as one compact object, with every value
// as it was written and without the members that drop names. It has to be last:
// checking it costs most, and what it is refused for least often.
func (w *writer) metadata(metadata json.RawMessage, drop func(name []byte) bool) {
	start := len(w.dst)
	dst, err := object.AppendCompact(w.dst, metadata)
	w.dst = dst
	switch {
	case err != nil:
		w.fail("metadata", "invalid_json", "metadata is not valid JSON in UTF-8, or has a name twice")
	case dst[start] != '{':
		w.fail("metadata", "wrong_type", "metadata must be an object")
	default:
		w.dst = object.Without(dst, start, drop)
	}
}

func (w *writer) fail(field, reason, message string) {
	if w.err == nil {
		w.err = &daybook.Error{Code: daybook.Invalid, Where: w.where, Field: field, Reason: reason, Message: message}
	}
}

// done returns what was written, or why it could not be.
func (w *writer) done() (Message, error) {
	if w.err != nil {
		return Message{}, w.err
	}
	return Message{Value: w.dst}, nil
}
