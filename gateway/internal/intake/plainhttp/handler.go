package plainhttp

import (
	"net/http"
	"strconv"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/intake"
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

// Need is the most that one request is charged, where bodies are read by b and
// carry at most maxEvents events. A budget of less would refuse the largest
// request for ever.
func Need(b *intake.Body, maxEvents int) int64 {
	held, length := b.Largest()
	return max(b.Peak(), held+copies*length+eventOverhead*int64(maxEvents)+usualNames)
}

// A Handler answers POST /v1/events. Set the fields before the first request;
// Accept and Body are required.
type Handler struct{ intake.Door }

// ServeHTTP answers one request. By the time it answers, what it reports as
// stored is stored; a client that goes away earlier loses the answer and
// nothing else.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	outcomes, err := h.accept(r)
	if err != nil {
		h.TurnedAway(Protocol, r.Header, err)
	}
	h.answer(w, outcomes, err)
}

// accept reads, decodes and stores the events of r. An error refuses the
// request as a whole; then nothing was stored.
func (h *Handler) accept(r *http.Request) ([]daybook.Outcome, *daybook.Error) {
	if r.Method != http.MethodPost {
		return nil, &daybook.Error{Code: daybook.Unimplemented, Reason: intake.ReasonMethodNotAllowed, Message: "events are sent with POST"}
	}
	who, err := h.Enter(Protocol, r)
	if err != nil {
		return nil, err
	}
	if err := checkMediaType(r.Header); err != nil {
		return nil, err
	}
	text, err := h.Body.Read(r)
	if err != nil {
		return nil, err
	}
	defer text.Release()
	if err := text.Charge(copies * int64(len(text.Bytes()))); err != nil {
		return nil, err
	}
	d := newDecoder(text.Charge)
	defer d.release()
	events, err := d.decode(text.Bytes(), h.MostEvents())
	if err != nil || len(events) == 0 {
		return nil, err
	}
	if err := text.Charge(eventOverhead * int64(len(events))); err != nil {
		return nil, err
	}
	return h.Accept(r.Context(), accept.Batch{
		Caller: who, Protocol: Protocol, Request: intake.RequestIDOf(r.Header), Events: events, Bytes: len(text.Bytes()),
	}), nil
}

// answer writes the reply. Err is what refused the request as a whole.
func (h *Handler) answer(w http.ResponseWriter, outcomes []daybook.Outcome, err *daybook.Error) {
	buffer := replies.Get().(*[]byte)
	body := render((*buffer)[:0], h.Durability, outcomes, err)
	status := intake.StatusOf(outcomes, err)
	header := w.Header()
	intake.SetHeaders(header, status, h.Durability, outcomes, err)
	header["Content-Type"] = contentTypeJSON
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is not our failure
	if *buffer = body; cap(body) <= maxPooledReply {
		replies.Put(buffer)
	}
}

var contentTypeJSON = []string{"application/json"}
