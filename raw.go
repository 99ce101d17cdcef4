package daybook

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"
)

// RecordRaw records an event that somebody else has built, as it is: with
// event_id, event_time (RFC 3339), event_type and event_name, and beside them
// whatever it has. The client's own attributes are not added and it is not
// sampled. Nil means that it is queued, or that recording is off; an [*Error]
// says which member is missing or wrong. raw is neither changed nor kept.
func (c *Client) RecordRaw(ctx context.Context, raw map[string]any) error {
	if c.Disabled() != "" {
		return c.RecordJSON(ctx, nil)
	}
	text, err := marshal(raw)
	if err != nil {
		c.core.drop(invalid, 1)
		return &Error{Code: Invalid, Where: "event", Reason: "invalid_json", Message: "the event cannot be written as JSON", Err: err}
	}
	return c.RecordJSON(ctx, text)
}

// marshal writes a caller's value, whose methods may do anything.
func marshal(v any) (text []byte, err error) {
	defer func() {
		if recover() != nil {
			err = &Error{Code: Invalid, Reason: "panicked", Message: "a value panicked while it was written"}
		}
	}()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err = encoder.Encode(v)
	return b.Bytes(), err
}

// RecordJSON is RecordRaw for an event that is JSON already. Numbers stay as
// they were written, and members in their order; of two with one name the later
// counts.
func (c *Client) RecordJSON(ctx context.Context, raw []byte) error {
	st := c.recording(1)
	if st == nil {
		return nil
	}
	if c.core.closing.Load() {
		c.core.drop(closed, 1)
		return ErrClosed
	}
	event, bad := parseRaw(raw)
	if bad != nil {
		c.core.drop(invalid, 1)
		return bad
	}
	e := drafts.Get().(*draft)
	defer e.release()
	record, bad := st.complete(e.packed[:0], e, event, 0)
	if bad != nil {
		c.core.drop(invalid, 1)
		return bad
	}
	e.packed = record
	return c.core.enqueue(ctx, st, [][]byte{record})
}

// parseRaw reads a flat event. Metadata is what it has besides the four members
// that name it.
func parseRaw(raw []byte) (Event, *Error) {
	bad := func(field, reason, message string) (Event, *Error) {
		return Event{}, &Error{Code: Invalid, Where: "event", Field: field, Reason: reason, Message: message}
	}
	members, ok := membersOf(raw)
	switch {
	case !ok:
		return bad("", "not_an_object", "an event must be one JSON object")
	case len(members) == 0:
		return bad("", "empty_event", "the event has no members")
	}
	var e Event
	var at string
	var metadata []byte
	for _, m := range members {
		var text *string
		switch m.name {
		case "event_id":
			text = &e.ID
		case "event_name":
			text = &e.Name
		case "event_type":
			text = (*string)(&e.Type)
		case "event_time":
			text = &at
		}
		if text == nil {
			metadata = appendRawMember(metadata, m)
			continue
		}
		if json.Unmarshal(m.value, text) != nil {
			return bad(m.name, "wrong_type", m.name+" must be a text")
		}
	}
	for _, required := range [...]struct{ name, value string }{
		{"event_id", e.ID}, {"event_time", at}, {"event_type", string(e.Type)}, {"event_name", e.Name},
	} {
		if strings.TrimSpace(required.value) == "" {
			return bad(required.name, "missing_"+strings.TrimPrefix(required.name, "event_"), required.name+" is missing or empty")
		}
	}
	when, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return bad("event_time", "invalid_time", "event_time must be a time such as 2026-01-02T15:04:05.999Z")
	}
	e.Time = when.UTC()
	if metadata != nil {
		metadata = append(metadata, '}')
		e.Metadata = metadata
	}
	if e.Actor = textIn(e.Metadata, keyActorID); e.Actor == "" {
		e.Actor = textIn(e.Metadata, keyUserID)
	}
	return e, nil
}

func appendRawMember(dst []byte, m member) []byte {
	if dst == nil {
		dst = append(dst, '{')
	} else {
		dst = append(dst, ',')
	}
	dst = append(dst, m.quoted...)
	dst = append(dst, ':')
	return append(dst, m.value...)
}

// A member is a member of a JSON object, as it was written.
type member struct {
	name   string
	quoted []byte
	value  json.RawMessage
}

// membersOf returns the members of a JSON object in their order, and false
// where raw is none. Of two with one name the later one's value counts.
func membersOf(raw []byte) (members []member, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	where := map[string]int{}
	for d.More() {
		token, err := d.Token()
		name, text := token.(string)
		if err != nil || !text {
			return nil, false
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, false
		}
		quoted, err := marshal(name)
		if err != nil {
			return nil, false
		}
		if at, twice := where[name]; twice {
			members[at].value = value
			continue
		}
		where[name] = len(members)
		members = append(members, member{name: name, quoted: bytes.TrimSpace(quoted), value: value})
	}
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	return members, len(bytes.TrimSpace(raw[d.InputOffset():])) == 0
}
