package eventjson

import (
	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// A member is one of the event's own members that hold text.
type member uint8

const (
	eventID member = iota
	eventName
	eventType
	actorID
	idempotencyKey
)

// memberNames are the members' names, as refusals name them.
var memberNames = [...]string{"event_id", "event_name", "event_type", "actor_id", "idempotency_key"}

// texts collects the texts of all events of a body, so that they become one
// string together: one allocation for a batch, and no text that points into
// memory which is used again.
type texts struct {
	bytes []byte
	marks []mark
}

// A mark says whose text is where.
type mark struct {
	event  int
	member member
	span
}

// A span is a part of a buffer.
type span struct{ start, end int }

func (t *texts) add(event int, m member, text []byte) {
	start := len(t.bytes)
	t.bytes = append(t.bytes, text...)
	t.marks = append(t.marks, mark{event: event, member: m, span: span{start, len(t.bytes)}})
}

// addQuoted adds the text that a string of JSON has.
func (t *texts) addQuoted(event int, m member, quoted []byte) {
	start := len(t.bytes)
	t.bytes = strictjson.AppendText(t.bytes, quoted)
	t.marks = append(t.marks, mark{event: event, member: m, span: span{start, len(t.bytes)}})
}

// assign gives the events their texts.
func (t *texts) assign(events []admit.Submission) {
	all := string(t.bytes)
	for _, m := range t.marks {
		e, text := &events[m.event].Event, all[m.start:m.end]
		switch m.member {
		case eventID:
			e.ID = text
		case eventName:
			e.Name = text
		case eventType:
			e.Type = daybook.Type(text)
		case actorID:
			e.Actor = text
		case idempotencyKey:
			e.IdempotencyKey = text
		}
	}
}

// of returns the text that an event has for a member already, the latest first.
func (t *texts) of(event int, m member) []byte {
	for i := len(t.marks) - 1; i >= 0 && t.marks[i].event == event; i-- {
		if t.marks[i].member == m {
			return t.bytes[t.marks[i].start:t.marks[i].end]
		}
	}
	return nil
}

// size is how many bytes the texts of an event have, while it is the last one.
func (t *texts) size(event int) int {
	size := 0
	for i := len(t.marks) - 1; i >= 0 && t.marks[i].event == event; i-- {
		size += t.marks[i].end - t.marks[i].start
	}
	return size
}

func (t *texts) clear() { t.bytes, t.marks = t.bytes[:0], t.marks[:0] }

// shrink lets go of what one rare large body needed.
func (t *texts) shrink() {
	const maxBytes, maxMarks = 256 << 10, 5_000
	if cap(t.bytes) > maxBytes {
		t.bytes = nil
	}
	if cap(t.marks) > maxMarks {
		t.marks = nil
	}
}
