package segment

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// maxDepth is how deep metadata may nest, where the metadata object is level 1.
const maxDepth = 64

// A span is a part of a buffer.
type span struct{ start, end int }

// A decoder turns the body of one request into submissions. It is used again for
// later requests, with the memory it has.
type decoder struct {
	path     kind // of the messages, where the path says it
	received time.Time

	scan     strictjson.Scanner
	messages []message
	events   []admit.Submission
	texts    []byte // ids, names and actors of all events
	out      []byte // their metadata, one object after the other
	merged   []byte // once more, with what the batch says for all
	scratch  []byte // of one message

	common common // what the batch says
	key    []byte // the write key in the body; nil = none

	pay  func(bytes int64) *daybook.Error // for memory beyond the usual; nil = nobody has to
	shed *daybook.Error                   // it was not there
}

// common is what a batch says for all of its messages.
type common struct {
	sentAt       time.Time // zero = it does not say
	context      []byte    // an object; nil = none
	integrations []byte
}

var decoders = sync.Pool{New: func() any {
	d := new(decoder)
	d.scan.Charge = func(bytes int) bool { return d.charge(bytes) }
	return d
}}

func newDecoder(k kind, received time.Time, pay func(bytes int64) *daybook.Error) *decoder {
	d := decoders.Get().(*decoder)
	d.path, d.received, d.pay, d.shed = k, received, pay, nil
	d.common, d.key = common{}, nil
	return d
}

// Release implements intake.Decoder.
func (d *decoder) Release() {
	const maxEvents, maxBytes = 1_000, 1 << 20
	clear(d.events)
	clear(d.messages)
	if cap(d.messages) > maxEvents {
		d.messages, d.events = nil, nil
	}
	for _, b := range []*[]byte{&d.texts, &d.out, &d.merged, &d.scratch} {
		if cap(*b) > maxBytes {
			*b = nil
		}
	}
	d.scan.Shrink()
	d.pay, d.common, d.key = nil, common{}, nil
	decoders.Put(d)
}

// Key is the write key that the body shows, "" for none.
func (d *decoder) Key() string { return string(d.key) }

func (d *decoder) charge(bytes int) bool {
	if d.shed == nil && d.pay != nil {
		d.shed = d.pay(int64(bytes))
	}
	return d.shed == nil
}

// Decode implements intake.Decoder. The submissions point into the decoder's
// memory.
func (d *decoder) Decode(body []byte, most int) ([]admit.Submission, *daybook.Error) {
	d.messages, d.events, d.texts, d.out = d.messages[:0], d.events[:0], d.texts[:0], d.out[:0]
	if cap(d.out) < len(body) {
		d.out = make([]byte, 0, len(body)+len(body)/8) // a little is added to each message
	}
	err := d.body(body, most)
	if d.shed != nil {
		return nil, d.shed
	}
	if err != nil {
		return nil, err
	}
	if !d.merge() {
		return nil, d.shed
	}
	d.finish()
	return d.events, nil
}

func (d *decoder) body(body []byte, most int) *daybook.Error {
	if bytes.HasPrefix(body, []byte("\uFEFF")) {
		return refusal("", reasonByteOrderMark, "the body begins with a byte order mark; send UTF-8 without one")
	}
	d.scan.Reset(body)
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return refusal("", reasonEmptyBody, "the body is empty; send a message")
	}
	if d.path != batch {
		d.message()
		d.scan.End()
		return whole(d.scan.Broken())
	}
	if k := d.scan.Kind(); k != '{' && k != 0 {
		return refusal("", reasonNotAnObject, "the body must be an object with the array batch")
	}
	if err := d.batch(most); err != nil {
		return err
	}
	d.scan.End()
	if err := whole(d.scan.Broken()); err != nil {
		return err
	}
	return whole(d.scan.Flaw())
}

// batch reads the object around messages.
func (d *decoder) batch(most int) *daybook.Error {
	var have struct{ batch, sentAt, context, integrations, other bool } // each once, but for others
	d.scan.EnterObject()
	for {
		name, more := d.scan.Member()
		if !more {
			break
		}
		if p := d.scan.Flaw(); p.Is() {
			return whole(p)
		}
		seen := &have.other
		switch string(name) {
		case "batch":
			seen = &have.batch
		case "sentAt":
			seen = &have.sentAt
		case "context":
			seen = &have.context
		case "integrations":
			seen = &have.integrations
		}
		if *seen && seen != &have.other {
			return refusal(string(name), strictjson.DuplicateName, fmt.Sprintf("the body has %q twice; nothing of it was stored", name))
		}
		*seen = true
		if err := d.batchMember(string(name), most); err != nil {
			return err
		}
	}
	if !have.batch && !d.scan.Broken().Is() {
		return refusal("batch", reasonMissingList, "the body has no array batch")
	}
	return nil
}

func (d *decoder) batchMember(name string, most int) *daybook.Error {
	switch name {
	case "batch":
		return d.list(most)
	case "sentAt":
		d.common.sentAt = d.instant()
	case "context":
		d.common.context = d.commonObject()
	case "integrations":
		d.common.integrations = d.commonObject()
	case "writeKey":
		d.writeKey()
	default:
		d.scan.AppendValue(nil, maxDepth)
	}
	return nil
}

// list reads the messages. What is wrong with one concerns no other.
func (d *decoder) list(most int) *daybook.Error {
	if k := d.scan.Kind(); k != '[' && k != 0 {
		return refusal("batch", reasonMissingList, "batch must be an array of messages")
	}
	d.scan.EnterArray()
	for d.scan.Element() && d.shed == nil {
		if len(d.messages) == most {
			return &daybook.Error{
				Code: daybook.TooLarge, Reason: reasonTooManyEvents,
				Message: fmt.Sprintf("the body has more than %d messages; send it in parts", most),
			}
		}
		d.scan.Forget()
		d.message()
	}
	d.scan.Forget()
	return nil
}

// commonObject returns a copy of an object that all messages get; nil of what is
// none.
func (d *decoder) commonObject() []byte {
	object := d.scan.Kind() == '{'
	value := d.scan.AppendValue(nil, maxDepth-1)
	if !object || len(value) <= len("{}") || !d.charge(len(value)) {
		return nil
	}
	return value
}

// instant reads a time that only corrects others: what is none says nothing.
func (d *decoder) instant() time.Time {
	if d.scan.Kind() != '"' {
		d.scan.AppendValue(nil, maxDepth)
		return time.Time{}
	}
	t, problem := intake.ParseTime(d.scan.Text())
	if problem != "" {
		return time.Time{}
	}
	return t
}

// writeKey reads the key that SDKs which cannot set headers send in the body. It
// is a credential, and never stored.
func (d *decoder) writeKey() {
	if d.scan.Kind() != '"' {
		d.scan.AppendValue(nil, maxDepth)
		return
	}
	if text := d.scan.Text(); len(text) > 0 {
		d.key = bytes.Clone(text)
	}
}

// whole refuses a body in which the end of a message cannot be found.
func whole(p strictjson.Problem) *daybook.Error {
	if !p.Is() {
		return nil
	}
	return refusal("", p.Reason, fmt.Sprintf("byte %d of the body: %s; nothing of the body was stored", p.Offset, p.What))
}
