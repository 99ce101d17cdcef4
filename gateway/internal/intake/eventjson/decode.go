package eventjson

import (
	"bytes"
	"fmt"
	"sync"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// A Decoder turns the body of one request into submissions. It is used again
// for later requests, with the memory it has. It is for one goroutine.
type Decoder struct {
	form   Form
	scan   strictjson.Scanner
	events []admit.Submission
	texts  texts    // ids, names and the like of all events
	out    []byte   // their metadata, one object after the other
	extras [][]byte // names of the event's members that joined its metadata

	pay  func(bytes int64) *daybook.Error // for memory beyond the usual; nil = nobody has to
	shed *daybook.Error                   // it was not there
}

var decoders = sync.Pool{New: func() any {
	d := new(Decoder)
	d.scan.Charge = d.charge
	return d
}}

// New returns a decoder for bodies of that form. It asks pay before it takes
// memory that grows faster than the body: that of names. Nil always says yes.
// Release gives it back.
func New(form Form, pay func(bytes int64) *daybook.Error) *Decoder {
	d := decoders.Get().(*Decoder)
	d.form, d.pay, d.shed = form, pay, nil
	return d
}

// charge charges what the scanner takes, and as much again: for each of the
// event's own members that joins the metadata there is an entry in extras.
func (d *Decoder) charge(bytes int) bool {
	if d.shed == nil && d.pay != nil {
		d.shed = d.pay(2 * int64(bytes))
	}
	return d.shed == nil
}

// Release gives the decoder back. The submissions it returned and their
// metadata must not be used after that; their texts may.
func (d *Decoder) Release() {
	const maxEvents, maxOut = 1_000, 1 << 20
	clear(d.events)
	clear(d.extras)
	if cap(d.events) > maxEvents {
		d.events = nil
	}
	if cap(d.extras) > maxEvents {
		d.extras = nil
	}
	if cap(d.out) > maxOut {
		d.out = nil
	}
	d.texts.shrink()
	d.scan.Shrink()
	d.pay = nil
	decoders.Put(d)
}

// Decode returns the events of body, at most most of them, in order. An error
// refuses the body as a whole. An event that is refused by itself is a
// submission that says why.
//
// The submissions point into the decoder's memory; see Release.
func (d *Decoder) Decode(body []byte, most int) ([]admit.Submission, *daybook.Error) {
	// What is copied is never longer than what it was copied from, so that out
	// does not move while metadata points into it.
	if cap(d.out) < len(body) {
		d.out = make([]byte, 0, len(body))
	}
	d.clear()
	err := d.body(body, most)
	if d.shed != nil {
		return nil, d.shed
	}
	if err != nil {
		return nil, err
	}
	d.texts.assign(d.events)
	return d.events, nil
}

// clear forgets the events decoded so far.
func (d *Decoder) clear() {
	d.events, d.out = d.events[:0], d.out[:0]
	d.texts.clear()
}

// First returns the first byte of a body that is not blank. An error refuses the
// body: it is empty, or begins with what belongs to no JSON text.
func First(body []byte) (byte, *daybook.Error) {
	if bytes.HasPrefix(body, byteOrderMark) {
		return 0, refusal("", reasonByteOrderMark, "the body begins with a byte order mark; send UTF-8 without one")
	}
	c := firstByte(body)
	if c == 0 {
		return 0, refusal("", reasonEmptyBody, "the body is empty; send at least one event, or [] for none")
	}
	return c, nil
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// body decides what kind of body this is: by the form, or by the first byte that
// is not blank.
func (d *Decoder) body(body []byte, most int) *daybook.Error {
	c, err := First(body)
	switch {
	case err != nil:
		return err
	case d.form.List != "":
		return d.list(body, most)
	case d.form.One:
		return Whole(d.object(body))
	case c == '[':
		return d.array(body, most)
	case c == '{':
		return d.objects(body, most)
	default:
		return refusal("", strictjson.Malformed, fmt.Sprintf(
			"the body begins with %q; send one JSON object, one object per line, or an array of objects", []byte{c}))
	}
}

// array reads the events of a JSON array. Where the array is not JSON, nobody
// can say where the next event begins, and all of it is refused; an event that
// is JSON and unacceptable is refused alone.
func (d *Decoder) array(body []byte, most int) *daybook.Error {
	d.scan.Reset(body)
	if err := d.elements(most); err != nil {
		return err
	}
	d.scan.End()
	return Whole(d.scan.Broken())
}

// elements reads the array that is next.
func (d *Decoder) elements(most int) *daybook.Error {
	d.scan.EnterArray()
	for d.scan.Element() {
		if len(d.events) == most {
			return TooMany(most)
		}
		d.scan.Forget()
		d.event()
	}
	return nil
}

// objects reads one object, or one on each line. They are told apart by the
// first line: when that ends in the middle of an object, the body may be one
// object written over several lines.
func (d *Decoder) objects(body []byte, most int) *daybook.Error {
	lines := lineReader{rest: body}
	line, number := lines.next()
	d.line(line, number)
	if d.scan.Broken().Ends && firstByte(lines.rest) != 0 {
		d.clear()
		problem := d.object(body)
		if !problem.Is() {
			return nil
		}
		// A line inside an object begins with a name or a bracket that closes;
		// one that opens begins the next event, and only the first is broken.
		if firstByte(lines.rest) != '{' {
			return Whole(problem)
		}
		d.clear()
		d.line(line, number)
	}
	for line, number = lines.next(); line != nil; line, number = lines.next() {
		if len(d.events) == most {
			return TooMany(most)
		}
		d.line(line, number)
	}
	return nil
}

// line reads the event on one line; a line that is no JSON is refused alone.
func (d *Decoder) line(line []byte, number int) {
	if p := d.object(line); p.Is() {
		d.events[len(d.events)-1].Err = refusal("", p.Reason, fmt.Sprintf("line %d, byte %d: %s", number, p.Offset, p.What))
	}
}

// object reads the event that text is, and returns why text is no JSON.
func (d *Decoder) object(text []byte) strictjson.Problem {
	d.scan.Reset(text)
	d.event()
	d.scan.End()
	return d.scan.Broken()
}

// Whole refuses a body as a whole for a problem of its JSON: one after which the
// end of an event cannot be found. Nil means that there is none.
func Whole(p strictjson.Problem) *daybook.Error {
	if !p.Is() {
		return nil
	}
	return refusal("", p.Reason, fmt.Sprintf("byte %d of the body: %s; nothing of the body was stored", p.Offset, p.What))
}

// TooMany refuses a body as a whole: which of its events to take is not ours to
// choose.
func TooMany(most int) *daybook.Error {
	return &daybook.Error{
		Code: daybook.TooLarge, Reason: reasonTooManyEvents,
		Message: fmt.Sprintf("the body has more than %d events; send it in parts", most),
	}
}

func refusal(field, reason, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Field: field, Reason: reason, Message: message}
}
