package intake

import (
	"net/http"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
)

// eventOverhead is about what an event holds in memory beside its content: the
// submission, the record, the outcome and its place in the reply. For events of
// a few bytes it is most of the cost.
const eventOverhead = 1 << 10

// copies is how often decoding holds what was read once more: a copy of the
// metadata and two of the texts.
const copies = 2

// usualNames is what the names and escapes of an event that people mean take at
// most, beside the copies.
const usualNames = 1 << 20

// Need is the most that a request of at most maxEvents events is charged by
// [Door.Take]. A budget of less would refuse the largest request for ever.
func (b *Body) Need(maxEvents int) int64 {
	held, length := b.Largest()
	return max(b.Peak(), held+copies*length+eventOverhead*int64(maxEvents)+usualNames)
}

// A Decoder turns a body into events.
type Decoder interface {
	// Decode returns the events of body, at most most of them, in order. An
	// error refuses the body as a whole; an event that is refused by itself says
	// so.
	Decode(body []byte, most int) ([]admit.Submission, *daybook.Error)

	// Release ends the use of the events and of all that they point into.
	Release()
}

// A Protocol is what [Door.Take] needs to know of one.
type Protocol struct {
	Name string // in rows and metrics

	// Expects refuses a request before its body is read, for what its path or
	// header says. Nil lets all through.
	Expects func(*http.Request) *daybook.Error

	// Open returns the decoder for a request. It asks pay before it takes memory
	// beyond two copies of the body.
	Open func(r *http.Request, pay func(bytes int64) *daybook.Error) Decoder
}

// Take reads, decodes and stores the events that r posts. An error refuses the
// request as a whole, and nothing was stored then; who waits for an answer is
// told by the intake, and so is whoever counts.
func (d *Door) Take(p Protocol, r *http.Request) ([]daybook.Outcome, *daybook.Error) {
	outcomes, err := d.take(p, r)
	if err != nil {
		d.TurnedAway(p.Name, r.Header, err)
	}
	return outcomes, err
}

func (d *Door) take(p Protocol, r *http.Request) ([]daybook.Outcome, *daybook.Error) {
	if r.Method != http.MethodPost {
		return nil, refusal(daybook.Unimplemented, ReasonMethodNotAllowed, "events are sent with POST")
	}
	who, err := d.Enter(p.Name, r)
	if err != nil {
		return nil, err
	}
	if p.Expects != nil {
		if err := p.Expects(r); err != nil {
			return nil, err
		}
	}
	text, err := d.Body.Read(r)
	if err != nil {
		d.Wasted(who, d.Body.Announced(r), err)
		return nil, err
	}
	defer text.Release()
	if err := text.Charge(copies * int64(len(text.Bytes()))); err != nil {
		return nil, err
	}
	decoder := p.Open(r, text.Charge)
	defer decoder.Release()
	events, err := decoder.Decode(text.Bytes(), d.MostEvents())
	if shower, ok := decoder.(Shower); ok && err == nil {
		err = d.Callers.Agree(p.Name, r, who, shower.Key())
	}
	if err != nil || len(events) == 0 {
		d.Wasted(who, int64(len(text.Bytes())), err)
		d.Reported(who, r.Header, nil, err)
		return nil, err
	}
	if err := text.Charge(eventOverhead * int64(len(events))); err != nil {
		return nil, err
	}
	outcomes := d.Accept(r.Context(), accept.Batch{
		Caller: who, Protocol: p.Name, Request: RequestIDOf(r.Header), Events: events, Bytes: len(text.Bytes()),
	})
	d.Reported(who, r.Header, outcomes, nil)
	return outcomes, nil
}

// A Shower is a Decoder whose bodies may show a key: that of the caller, once
// more, as SDKs do that cannot set headers.
type Shower interface {
	// Key is what the decoded body shows, "" for nothing.
	Key() string
}
