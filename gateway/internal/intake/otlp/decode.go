package otlp

import (
	"fmt"
	"math"
	"sync"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// A span is a part of a buffer.
type span struct{ start, end uint32 }

// A decoder turns the body of one request into submissions. It is used again for
// later requests, with the memory it has.
type decoder struct {
	resources []origin
	scopes    []scope
	records   []record

	parts []byte // JSON: bodies, attributes, resources and scopes, one after the other
	keys  []span // of the objects that are being written, quotes included

	events []admit.Submission
	texts  []byte // ids, names and the like of all events
	out    []byte // their metadata, one object after the other

	scan strictjson.Scanner // of requests in JSON
	last member             // read last

	most int                              // records allowed
	pay  func(bytes int64) *daybook.Error // for memory beyond the usual; nil = nobody has to
	stop *daybook.Error                   // refuses the request as a whole; nothing more is read
	flaw *daybook.Error                   // of the record, the resource or the scope that is being read
}

// An origin is a resource: what all records below it have in common.
type origin struct {
	text span // the members of its object, each behind a comma
	flaw *daybook.Error
}

// A scope is what the records of one part of a program have in common.
type scope struct {
	origin
	resource int // index
}

// A record is one log record. What its members say in JSON is in parts.
type record struct {
	scope          int // index
	time, observed uint64
	severity       int32
	severityText   span
	body           span
	attributes     span
	dropped, flags uint32
	trace          [16]byte
	span           [8]byte
	name           span // of the event, in texts; so are the next three
	id, typ, actor span
	flaw           *daybook.Error
}

var decoders = sync.Pool{New: func() any {
	d := new(decoder)
	d.scan.Charge = func(bytes int) bool { return d.charge(bytes) }
	return d
}}

// newDecoder returns a decoder that asks pay before it takes memory.
func newDecoder(pay func(bytes int64) *daybook.Error) *decoder {
	d := decoders.Get().(*decoder)
	d.pay, d.stop, d.flaw = pay, nil, nil
	return d
}

// release gives the decoder back. The submissions it returned and their
// metadata must not be used after that; their texts may.
func (d *decoder) release() {
	const maxRecords, maxBytes, maxKeys = 1_000, 256 << 10, 4_000
	clear(d.events)
	clear(d.records)
	clear(d.resources)
	clear(d.scopes)
	if cap(d.records) > maxRecords || cap(d.resources) > maxRecords || cap(d.scopes) > maxRecords {
		d.records, d.resources, d.scopes, d.events = nil, nil, nil, nil
	}
	for _, b := range []*[]byte{&d.parts, &d.texts, &d.out} {
		if cap(*b) > maxBytes {
			*b = nil
		}
	}
	if cap(d.keys) > maxKeys {
		d.keys = nil
	}
	d.scan.Shrink()
	d.pay, d.stop, d.flaw = nil, nil, nil
	decoders.Put(d)
}

// decode returns the events of body, at most most of them, in order. An error
// refuses the body as a whole. A record that is refused by itself is a
// submission that says why.
//
// The submissions point into the decoder's memory; see release.
func (d *decoder) decode(body []byte, e encoding, most int, unnamed Unnamed) ([]admit.Submission, *daybook.Error) {
	d.most = most
	d.resources, d.scopes, d.records, d.events = d.resources[:0], d.scopes[:0], d.records[:0], d.events[:0]
	d.parts, d.keys, d.texts, d.out = d.parts[:0], d.keys[:0], d.texts[:0], d.out[:0]
	// What a request of people's makes is about its own size, in JSON less.
	if room(d, &d.parts, len(body)) {
		if e == inJSON {
			d.json(body)
		} else {
			d.proto(body)
		}
	}
	if d.stop == nil {
		d.finish(body, unnamed)
	}
	if d.stop != nil {
		return nil, d.stop
	}
	return d.events, nil
}

// recordBytes is about what a record holds in memory beside its content: here,
// in the store's and in the answer's terms.
const recordBytes = 1 << 10

// originBytes is about what a resource or a scope holds beside its content.
const originBytes = 128

// begin makes room for one more record of a scope, and reports whether there is.
func (d *decoder) begin(scope int) bool {
	if len(d.records) == d.most {
		d.halt(&daybook.Error{
			Code: daybook.TooLarge, Reason: reasonTooManyEvents,
			Message: fmt.Sprintf("the request has more than %d records; send them in parts", d.most),
		})
		return false
	}
	if !d.charge(recordBytes) {
		return false
	}
	d.records = append(d.records, record{scope: scope})
	d.flaw = nil
	return true
}

// charge pays for memory, and reports whether it is there.
func (d *decoder) charge(bytes int) bool {
	if d.stop == nil && d.pay != nil {
		d.stop = d.pay(int64(bytes))
	}
	return d.stop == nil
}

// halt refuses the request as a whole, unless it was before.
func (d *decoder) halt(err *daybook.Error) {
	if d.stop == nil {
		d.stop = err
	}
}

// refuse refuses what is being read, unless it was before.
func (d *decoder) refuse(field, reason, message string) {
	if d.flaw == nil {
		d.flaw = refusal(field, reason, message)
	}
}

// done reports whether what is being read need not be read on.
func (d *decoder) done() bool { return d.flaw != nil || d.stop != nil }

// text notes one of the texts that an event has of its own.
func (d *decoder) text(b []byte) span {
	start := len(d.texts)
	if !room(d, &d.texts, len(b)) {
		return span{}
	}
	d.texts = append(d.texts, b...)
	return span{uint32(start), uint32(len(d.texts))}
}

// room makes place in one of the decoder's buffers for more bytes, and reports
// whether there is. A buffer that moves is paid for as a whole.
func room(d *decoder, buffer *[]byte, more int) bool {
	if cap(*buffer)-len(*buffer) >= more {
		return true
	}
	const least, most = 4 << 10, math.MaxUint32 // spans go no further
	size := max(2*cap(*buffer), len(*buffer)+more, least)
	if size > most {
		d.halt(&daybook.Error{Code: daybook.TooLarge, Reason: intake.ReasonBodyTooLarge, Message: "the request is too large; send it in parts"})
	}
	if !d.charge(size) {
		return false
	}
	*buffer = append(make([]byte, 0, size), *buffer...)
	return true
}
