package plainhttp

import (
	"net/http"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/eventjson"
)

// A Handler answers POST /v1/events. Set the fields before the first request;
// Accept and Body are required.
type Handler struct{ intake.Door }

// ServeHTTP answers one request. By the time it answers, what it reports as
// stored is stored; a client that goes away earlier loses the answer and
// nothing else.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	outcomes, err := h.Take(protocol, r)
	h.Answer(w, intake.StatusOf(outcomes, err), outcomes, err, intake.AppendResults)
}

var protocol = intake.Protocol{Name: Protocol, Expects: intake.CheckMediaType, Open: open}

func open(_ *http.Request, pay func(bytes int64) *daybook.Error) intake.Decoder {
	return eventjson.New(eventjson.Form{}, pay)
}
