package segment

import (
	"bytes"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/admit"
)

// finish makes the submissions of the messages.
func (d *decoder) finish() {
	all := string(d.texts)
	metadata := d.out
	if d.common.context != nil || d.common.integrations != nil {
		metadata = d.merged
	}
	for i := range d.messages {
		m := &d.messages[i]
		s := admit.Submission{Err: m.err}
		s.Event.ID = all[m.id.start:m.id.end]
		if m.err == nil {
			s.Event.Name, s.Event.Actor, s.Event.Type = all[m.name.start:m.name.end], all[m.actor.start:m.actor.end], types[m.kind]
			s.Event.Metadata = metadata[m.metadata.start:m.metadata.end:m.metadata.end]
			d.correct(&s, m)
		}
		d.events = append(d.events, s)
	}
}

// correct sets the time of an event: the sender's, moved by what its clock is
// off. A moved time is another one in each attempt to send the message, and thus
// no part of what two copies have in common; the timestamp as sent is.
func (d *decoder) correct(s *admit.Submission, m *message) {
	if !m.timeGiven {
		return
	}
	s.Event.Time, s.TimeGiven = m.time, true
	sentAt := m.sentAt
	if sentAt.IsZero() {
		sentAt = d.common.sentAt
	}
	if !sentAt.IsZero() {
		s.Event.Time, s.TimeGiven = corrected(m.time, sentAt, d.received), false
	}
}

// corrected moves a time by what the sender's clock was off when it was sentAt there
// and received here. It counts in seconds: a clock that was never set may be off by
// more than a time.Duration holds. What would come out as no time was noted before
// that clock was set, or after, and stays as it is.
func corrected(at, sentAt, received time.Time) time.Time {
	seconds := at.Unix() + received.Unix() - sentAt.Unix()
	moved := time.Unix(seconds, int64(at.Nanosecond()+received.Nanosecond()-sentAt.Nanosecond())).UTC()
	if year := moved.Year(); year < 1 || year > 9999 {
		return at
	}
	return moved
}

// merge writes the metadata once more, where the batch has a context or
// integrations for all: a message without gets them as they are, one with its own
// those of their members that it lacks. False means that there is no memory.
func (d *decoder) merge() bool {
	if d.common.context == nil && d.common.integrations == nil {
		return true
	}
	size := 0
	for i := range d.messages {
		const around = len(`,"context":,"integrations":`)
		m := &d.messages[i]
		size += m.metadata.end - m.metadata.start + len(d.common.context) + len(d.common.integrations) + around
	}
	if !d.charge(size) {
		return false
	}
	if cap(d.merged) < size {
		d.merged = make([]byte, 0, size)
	}
	d.merged = d.merged[:0]
	for i := range d.messages {
		if m := &d.messages[i]; m.err == nil {
			d.mergeInto(m)
		}
	}
	return true
}

func (d *decoder) mergeInto(m *message) {
	start := len(d.merged)
	own := d.out[m.metadata.start : m.metadata.end-1] // without the brace that closes
	switch {
	case d.common.context != nil && m.context != span{}:
		d.merged = append(d.merged, d.out[m.metadata.start:m.context.start]...)
		d.merged = appendMerged(d.merged, d.out[m.context.start:m.context.end], d.common.context)
		d.merged = append(d.merged, d.out[m.context.end:m.metadata.end-1]...)
	case d.common.context != nil && !m.hasContext:
		d.merged = append(append(append(d.merged, own...), `,"context":`...), d.common.context...)
	default:
		d.merged = append(d.merged, own...)
	}
	if d.common.integrations != nil && !m.hasIntegrations {
		d.merged = append(append(d.merged, `,"integrations":`...), d.common.integrations...)
	}
	d.merged = append(d.merged, '}')
	m.metadata = span{start, len(d.merged)}
}

// appendMerged appends object with those members of other that it lacks. Both
// are JSON objects that were read without a flaw.
func appendMerged(dst, object, other []byte) []byte {
	has := map[string]bool{}
	each(object, func(name string, _ jsontext.Value) { has[name] = true })
	dst = append(dst, object[:len(object)-1]...)
	comma := len(has) > 0
	each(other, func(name string, value jsontext.Value) {
		if has[name] {
			return
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst, _ = jsontext.AppendQuote(dst, name) // valid, as it was read
		dst = append(append(dst, ':'), value...)
	})
	return append(dst, '}')
}

func each(object []byte, use func(name string, value jsontext.Value)) {
	d := jsontext.NewDecoder(bytes.NewReader(object))
	if _, err := d.ReadToken(); err != nil {
		return
	}
	for d.PeekKind() != jsontext.KindEndObject {
		name, err := d.ReadToken()
		if err != nil {
			return
		}
		text := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return
		}
		use(text, value)
	}
}
