package plainhttp

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
)

// defaultMaxEvents is how many events one request may carry.
const defaultMaxEvents = 10_000

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
type Handler struct {
	// Accept stores a batch and says what became of each event.
	Accept func(context.Context, accept.Batch) []daybook.Outcome

	// Body reads requests within the limits.
	Body *intake.Body

	// Durability is what an event that is stored rests on.
	Durability daybook.Durability

	// MaxEvents is how many events one request may carry. Zero means 10,000.
	MaxEvents int

	// Report is told what a client says it dropped before it got here. Nil
	// means nobody is.
	Report func(caller, reason string, events uint64)

	// Refused is told of every request that is refused as a whole. Nil means
	// nobody is.
	Refused func(intake.Refusal)
}

// ServeHTTP answers one request. By the time it answers, what it reports as
// stored is stored; a client that goes away earlier loses the answer and
// nothing else.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header[intake.DurabilityHeader] = []string{h.Durability.String()}
	if r.Method != http.MethodPost {
		header["Allow"] = []string{http.MethodPost}
		err := &daybook.Error{Code: daybook.Unimplemented, Reason: intake.ReasonMethodNotAllowed, Message: "events are sent with POST"}
		h.refused(r, err)
		h.answer(w, http.StatusMethodNotAllowed, nil, err)
		return
	}
	who := caller.Anonymous
	h.report(who, r.Header)
	outcomes, err := h.accept(r, who)
	if err != nil {
		h.refused(r, err)
	}
	h.answer(w, statusOf(outcomes, err), outcomes, err)
}

// accept reads, decodes and stores the events of r. An error refuses the
// request as a whole; then nothing was stored.
func (h *Handler) accept(r *http.Request, who caller.Caller) ([]daybook.Outcome, *daybook.Error) {
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
	events, err := d.decode(text.Bytes(), h.maxEvents())
	if err != nil || len(events) == 0 {
		return nil, err
	}
	if err := text.Charge(eventOverhead * int64(len(events))); err != nil {
		return nil, err
	}
	return h.Accept(r.Context(), accept.Batch{
		Caller: who, Protocol: Protocol, Request: intake.RequestIDOf(r.Header), Events: events,
	}), nil
}

func (h *Handler) refused(r *http.Request, err *daybook.Error) {
	if h.Refused != nil {
		h.Refused(intake.Refusal{Protocol: Protocol, Request: intake.RequestIDOf(r.Header), Err: err})
	}
}

func (h *Handler) maxEvents() int {
	if h.MaxEvents > 0 {
		return h.MaxEvents
	}
	return defaultMaxEvents
}

func (h *Handler) report(who caller.Caller, header http.Header) {
	if h.Report == nil {
		return
	}
	for _, drop := range intake.ClientReport(header) {
		h.Report(who.Name, drop.Reason, drop.Events)
	}
}

// answer writes the reply. Err is what refused the request as a whole.
func (h *Handler) answer(w http.ResponseWriter, status int, outcomes []daybook.Outcome, err *daybook.Error) {
	buffer := replies.Get().(*[]byte)
	body := render((*buffer)[:0], h.Durability, outcomes, err)
	header := w.Header()
	header["Content-Type"] = contentTypeJSON
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		header["Retry-After"] = []string{strconv.Itoa(retryAfter(outcomes, err))}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is not our failure
	if *buffer = body; cap(body) <= maxPooledReply {
		replies.Put(buffer)
	}
}

var contentTypeJSON = []string{"application/json"}

// retryAfter is the longest wait that any error asks for, in whole seconds, and
// at least one.
func retryAfter(outcomes []daybook.Outcome, err *daybook.Error) int {
	longest := time.Second
	if err != nil {
		longest = max(longest, err.RetryAfter)
	}
	for i := range outcomes {
		if e := errorOf(&outcomes[i]); e != nil {
			longest = max(longest, e.RetryAfter)
		}
	}
	return int((longest + time.Second - 1) / time.Second)
}
