package daybook

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// An encoder appends the line of event i and returns the event's ID, where it
// knows it. After an error what it has written is discarded.
type encoder func(b *bytes.Buffer, i int) (id string, err *Error)

// encodeAll returns a request's body, one event per line, and the indexes of
// the events it carries. The outcomes get the events' IDs. An event that has no
// line is refused in its outcome: what is not JSON could end its line early and
// move every later index.
func encodeAll(outcomes []Outcome, encode encoder) (body []byte, sent []int) {
	var b bytes.Buffer
	sent = make([]int, 0, len(outcomes))
	for i := range outcomes {
		o, start := &outcomes[i], b.Len()
		id, err := encode(&b, i)
		o.ID = id
		if err != nil {
			b.Truncate(start)
			err.Where, err.Index = "gateway", i
			o.Status, o.Reason, o.Err = Refused, err.Reason, err
			continue
		}
		sent = append(sent, i)
	}
	return b.Bytes(), sent
}

// copyLine writes an event that is JSON already.
func copyLine(b *bytes.Buffer, line []byte) *Error {
	line = bytes.TrimSpace(line)
	switch {
	case len(line) == 0 || line[0] != '{':
		return &Error{Code: Invalid, Reason: "not_an_object", Message: "an event must be a JSON object"}
	case bytes.IndexByte(line, '\n') >= 0:
		return &Error{Code: Invalid, Reason: "invalid_json", Message: "an event must stand on one line"}
	}
	// Unmarshal says what is wrong; for a raw message it copies and no more.
	if err := json.Unmarshal(line, new(json.RawMessage)); err != nil {
		return &Error{Code: Invalid, Reason: "invalid_json", Message: "the event is not valid JSON", Err: err}
	}
	b.Write(line)
	b.WriteByte('\n')
	return nil
}

// appendLine writes the event in the form that POST /v1/events takes. What the
// gateway judges (lengths, UTF-8, blank names) is left to the gateway.
func appendLine(b *bytes.Buffer, e *Event) *Error {
	if err := appendHead(b, e); err != nil {
		return err
	}
	if e.Metadata != nil {
		if err := appendMetadata(b, e.Metadata); err != nil {
			return err
		}
	}
	b.WriteString("}\n")
	return nil
}

// appendOwnLine is appendLine for metadata that is known to be good.
func appendOwnLine(b *bytes.Buffer, e *Event) *Error {
	if err := appendHead(b, e); err != nil {
		return err
	}
	if e.Metadata != nil {
		appendName(b, "metadata")
		b.Write(e.Metadata)
	}
	b.WriteString("}\n")
	return nil
}

// appendHead writes all but the metadata and the end.
func appendHead(b *bytes.Buffer, e *Event) *Error {
	b.WriteByte('{')
	appendMember(b, "event_name", e.Name)
	if e.ID != "" {
		appendMember(b, "event_id", e.ID)
	}
	if e.Type != "" {
		appendMember(b, "event_type", string(e.Type))
	}
	if e.Actor != "" {
		appendMember(b, "actor_id", e.Actor)
	}
	if !e.Time.IsZero() {
		appendName(b, "event_ts")
		b.WriteByte('"')
		b.Write(e.Time.UTC().AppendFormat(b.AvailableBuffer(), time.RFC3339Nano))
		b.WriteByte('"')
	}
	if e.IdempotencyKey != "" {
		appendMember(b, "idempotency_key", e.IdempotencyKey)
	}
	if e.SampleRate != 0 {
		if math.IsNaN(e.SampleRate) || math.IsInf(e.SampleRate, 0) {
			return &Error{Code: Invalid, Field: "sample_rate", Reason: "invalid_sample_rate", Message: "sample_rate is not a number"}
		}
		appendName(b, "sample_rate")
		b.Write(strconv.AppendFloat(b.AvailableBuffer(), e.SampleRate, 'g', -1, 64))
	}
	return nil
}

func appendMetadata(b *bytes.Buffer, metadata json.RawMessage) *Error {
	appendName(b, "metadata")
	start := b.Len()
	// Compact drops the line breaks between members and leaves every value as
	// it was written.
	if err := json.Compact(b, metadata); err != nil {
		return &Error{Code: Invalid, Field: "metadata", Reason: "invalid_json", Message: "metadata is not valid JSON", Err: err}
	}
	if b.Bytes()[start] != '{' {
		return &Error{Code: Invalid, Field: "metadata", Reason: "wrong_type", Message: "metadata must be an object"}
	}
	return nil
}

func appendMember(b *bytes.Buffer, name, value string) {
	appendName(b, name)
	appendText(b, value)
}

func appendName(b *bytes.Buffer, name string) {
	if last := b.Bytes()[b.Len()-1]; last != '{' {
		b.WriteByte(',')
	}
	b.WriteByte('"')
	b.WriteString(name)
	b.WriteString(`":`)
}

// appendText writes s as a JSON string. Bytes that are not UTF-8 stay as they
// are, so that the gateway refuses the event: encoding/json would put U+FFFD
// in their place, and two different ids could become one.
func appendText(b *bytes.Buffer, s string) {
	const hex = "0123456789abcdef"
	b.WriteByte('"')
	clean := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b.WriteString(s[clean:i])
		clean = i + 1
		if c < ' ' {
			b.WriteString(`\u00`)
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&0xf])
			continue
		}
		b.WriteByte('\\')
		b.WriteByte(c)
	}
	b.WriteString(s[clean:])
	b.WriteByte('"')
}
