package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"

	"daybook.dev"
	"daybook.dev/sink"
)

// A Form is how events stand in the body of a request.
type Form string

// The forms. The first two are what a gateway's POST /v1/events takes.
const (
	Array  Form = "array"  // a JSON array
	Lines  Form = "lines"  // one event on each line (NDJSON), each line ended
	Single Form = "single" // one event, and so one request for each
)

func (f Form) known() bool { return slices.Contains([]Form{Array, Lines, Single}, f) }

// A body is the content of one request.
type body struct {
	text     []byte
	form     Form
	events   int
	single   string    // sink.RowID of the event, with the form Single
	ids      hash.Hash // of the scopes and ids of all events, with the others
	scratch  []byte    // what is hashed next
	declared string    // the content-type of the first message, "" = none
}

// add appends an event. The error is the encoding's; then nothing is added.
func (b *body) add(encoding sink.Encoding, e *daybook.Event, index int) error {
	start := len(b.text)
	switch {
	case b.form == Array && b.events == 0:
		b.text = append(b.text, '[')
	case b.form == Array:
		b.text = append(b.text, ',')
	}
	mark := len(b.text)
	m, err := encoding.Encode(b.text, e)
	if err == nil && b.form == Lines && bytes.IndexByte(m.Value[mark:], '\n') >= 0 {
		err = &daybook.Error{
			Code: daybook.Invalid, Where: where, Reason: "invalid_value", Index: index,
			Message: "the encoding writes an event over several lines",
		}
	}
	if err != nil {
		b.text = b.text[:start]
		return err
	}
	b.text = m.Value
	if b.form == Lines {
		b.text = append(b.text, '\n')
	}
	b.count(e, m.Attributes["content-type"])
	return nil
}

func (b *body) count(e *daybook.Event, declared string) {
	b.events++
	if b.events == 1 {
		b.declared = declared
	}
	if b.form == Single {
		b.single = sink.RowID(e)
		return
	}
	if b.ids == nil {
		b.ids = sha256.New()
	}
	b.scratch = b.scratch[:0]
	if e.Origin != nil {
		b.scratch = append(b.scratch, e.Origin.Scope...)
	}
	b.scratch = append(b.scratch, 0)
	b.scratch = append(b.scratch, e.ID...)
	b.ids.Write(append(b.scratch, 0))
}

// end ends the body.
func (b *body) end() {
	if b.form == Array {
		b.text = append(b.text, ']')
	}
}

// id returns what names the body in every attempt to send it.
func (b *body) id() string {
	if b.form == Single {
		return b.single
	}
	return "batch_" + hex.EncodeToString(b.ids.Sum(nil)[:16])
}

// contentType returns what the body is.
func (b *body) contentType() string {
	const cloudEvent, cloudEvents = "application/cloudevents+json", "application/cloudevents-batch+json"
	switch {
	case b.form == Lines:
		return "application/x-ndjson"
	case b.form == Array && b.declared == cloudEvent:
		return cloudEvents
	case b.form == Array || b.declared == "":
		return "application/json"
	}
	return b.declared
}
