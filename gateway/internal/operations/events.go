package operations

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"daybook.dev/gateway/internal/query"
)

// traceRoutes adds the routes that tell what became of an event. An id that is
// no plain part of a path, for it has a slash or is a dot, is a parameter.
func traceRoutes(routes *http.ServeMux, o Options) {
	if o.Traces == nil {
		routes.Handle("/v1/events/", notAvailable("traces are", o.Direct))
		routes.Handle("/v1/events", notAvailable("traces are", o.Direct))
		return
	}
	t := &traces{tracer: o.Traces, failed: o.Failed}
	routes.HandleFunc("GET /v1/events/{id...}", func(w http.ResponseWriter, r *http.Request) { t.trace(w, r, r.PathValue("id")) })
	routes.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) { t.trace(w, r, r.URL.Query().Get("id")) })
}

type traces struct {
	tracer *query.Tracer
	failed func(error)
}

// trace answers with what became of the events of an id. That nothing is known
// of it is the answer 404. What an event holds is shown only to who asks for it.
func (t *traces) trace(w http.ResponseWriter, r *http.Request, id string) {
	full, err := parseTrace(r, id)
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid", err.Error())
		return
	}
	trace, err := t.tracer.Trace(r.Context(), id, r.URL.Query().Get("caller"))
	if err != nil {
		refuseError(w, err, t.failed)
		return
	}
	if trace.Answer == query.Never {
		notFound(w, trace.Message)
		return
	}
	writeJSON(w, http.StatusOK, tracedRows(trace, full))
}

var traceNames = []string{"id", "caller", "full"}

func parseTrace(r *http.Request, id string) (full bool, err error) {
	q := r.URL.Query()
	for name := range q {
		if !slices.Contains(traceNames, name) {
			return false, fmt.Errorf("%s: there is no such parameter; there are %s", name, strings.Join(traceNames, ", "))
		}
	}
	if id == "" {
		return false, fmt.Errorf("id: which event? name one as /v1/events/ID, or as the parameter id")
	}
	if text := q.Get("full"); text != "" {
		if full, err = strconv.ParseBool(text); err != nil {
			return false, fmt.Errorf("full: %q is neither true nor false", text)
		}
	}
	return full, nil
}

// A tracedRow is one event of a trace as JSON, with its row where that is asked
// for and kept.
type tracedRow struct {
	query.Traced
	Row json.RawMessage `json:"row,omitempty"`
}

// tracedRows returns a trace as JSON has it.
func tracedRows(trace query.Trace, full bool) any {
	rows := make([]tracedRow, 0, len(trace.Events))
	for _, e := range trace.Events {
		row := tracedRow{Traced: e}
		if full && e.Entry != nil {
			row.Row = query.AppendRow(nil, *e.Entry)
		}
		rows = append(rows, row)
	}
	return struct {
		query.Trace
		Events []tracedRow `json:"events"`
	}{trace, rows}
}
