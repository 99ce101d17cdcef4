package operations

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/store"
)

// DeadLetters are the events that have not got where they should have: see
// [deadletter.Index].
type DeadLetters interface {
	List(ctx context.Context, f deadletter.Filter) (deadletter.List, error)
	Show(ctx context.Context, position store.Position, destination string) ([]deadletter.Letter, error)
	Retry(ctx context.Context, f deadletter.Filter, each func(deadletter.Done)) (deadletter.Summary, error)
	Drop(ctx context.Context, f deadletter.Filter, each func(deadletter.Done)) (deadletter.Summary, error)
}

// deadLetterRoutes adds the routes about dead letters.
func deadLetterRoutes(routes *http.ServeMux, o Options) {
	if o.DeadLetters == nil {
		routes.Handle("/v1/deadletters/", notAvailable("dead letters are", o.Direct))
		routes.Handle("/v1/deadletters", notAvailable("dead letters are", o.Direct))
		return
	}
	d := &deadLetters{letters: o.DeadLetters, streams: o.Streams, failed: o.Failed}
	routes.HandleFunc("GET /v1/deadletters", d.list)
	routes.HandleFunc("GET /v1/deadletters/{position}", d.show)
	routes.Handle("POST /v1/deadletters/retry", o.Guard.protectChange(d.change(o.DeadLetters.Retry)))
	routes.Handle("POST /v1/deadletters/drop", o.Guard.protectChange(d.change(o.DeadLetters.Drop)))
}

type deadLetters struct {
	letters DeadLetters
	streams context.Context
	failed  func(error)
}

// A letterRow is a dead letter as JSON. Absent texts are null.
type letterRow struct {
	Position    store.Position `json:"position"`
	Destination *string        `json:"destination"`
	Record      store.Position `json:"record"`
	EventID     string         `json:"event_id"`
	EventName   *string        `json:"event_name"`
	Caller      *string        `json:"caller"`
	Received    time.Time      `json:"ingested_at"`
	Attempts    uint32         `json:"attempts"`
	Code        string         `json:"code"`
	Reason      string         `json:"reason"`
	Field       *string        `json:"field"`
	Message     *string        `json:"message"`
}

func letterRowOf(e deadletter.Entry) letterRow {
	return letterRow{
		Position: e.Position, Destination: orNull(e.Destination), Record: e.Record,
		EventID: e.EventID, EventName: orNull(e.EventName), Caller: orNull(e.Caller), Received: e.Received,
		Attempts: e.Attempts, Code: e.Code.String(), Reason: e.Reason, Field: orNull(e.Field), Message: orNull(e.Message),
	}
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (d *deadLetters) list(w http.ResponseWriter, r *http.Request) {
	f, err := parseFilter(r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid", err.Error())
		return
	}
	l, err := d.letters.List(r.Context(), f)
	if err != nil {
		refuseError(w, err, d.failed)
		return
	}
	rows := make([]letterRow, 0, len(l.Entries))
	for _, e := range l.Entries {
		rows = append(rows, letterRowOf(e))
	}
	writeJSON(w, http.StatusOK, struct {
		Rows     []letterRow    `json:"deadletters"`
		Matched  int            `json:"matched"`
		Open     int            `json:"open"`
		Unlisted uint64         `json:"unlisted"`
		Expired  uint64         `json:"expired"`
		Complete bool           `json:"complete"`
		Through  store.Position `json:"through"`
	}{rows, l.Matched, l.Open, l.Unlisted, l.Expired, l.Complete, l.Through})
}

// show answers with the dead letters of one event, and the event.
func (d *deadLetters) show(w http.ResponseWriter, r *http.Request) {
	position, err := strconv.ParseUint(r.PathValue("position"), 10, 64)
	if err != nil || position == 0 {
		refuse(w, http.StatusBadRequest, "invalid", fmt.Sprintf("%q is not a position", r.PathValue("position")))
		return
	}
	letters, err := d.letters.Show(r.Context(), store.Position(position), r.URL.Query().Get("destination"))
	if err != nil {
		refuseError(w, err, d.failed)
		return
	}
	if len(letters) == 0 {
		notFound(w, fmt.Sprintf("there is no dead letter of position %d", position))
		return
	}
	type shown struct {
		letterRow
		Event json.RawMessage `json:"event"` // null = no longer kept
	}
	rows := make([]shown, 0, len(letters))
	for _, l := range letters {
		row := shown{letterRow: letterRowOf(l.Entry)}
		if l.Event != nil {
			row.Event = query.AppendRow(nil, store.Entry{Record: *l.Event})
		}
		rows = append(rows, row)
	}
	writeJSON(w, http.StatusOK, map[string]any{"deadletters": rows})
}

var filterNames = []string{
	"destination", "own", "position", "event_id", "event_name", "caller", "reason", "code", "since", "until", "limit",
}

// parseFilter reads a filter from the parameters of a request: the members of
// deadletter.Filter under their JSON names, position as often as needed.
func parseFilter(q url.Values) (f deadletter.Filter, err error) {
	for name := range q {
		if !slices.Contains(filterNames, name) {
			return f, fmt.Errorf("%s: there is no such parameter; there are %s", name, strings.Join(filterNames, ", "))
		}
	}
	f = deadletter.Filter{
		Destination: q.Get("destination"), EventID: q.Get("event_id"), EventName: q.Get("event_name"),
		Caller: q.Get("caller"), Reason: q.Get("reason"), Code: q.Get("code"),
	}
	for _, text := range q["position"] {
		p, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return f, fmt.Errorf("position: %q is not a position", text)
		}
		f.Positions = append(f.Positions, store.Position(p))
	}
	if f.Own, err = strconv.ParseBool(cmp.Or(q.Get("own"), "false")); err != nil {
		return f, fmt.Errorf("own: %q is neither true nor false", q.Get("own"))
	}
	if f.Since, err = parseTime(q, "since"); err != nil {
		return f, err
	}
	if f.Until, err = parseTime(q, "until"); err != nil {
		return f, err
	}
	if f.Limit, err = strconv.Atoi(cmp.Or(q.Get("limit"), "0")); err != nil {
		return f, fmt.Errorf("limit: %q is not a number", q.Get("limit"))
	}
	return f, nil
}

func parseTime(q url.Values, name string) (time.Time, error) {
	text := q.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("%s: %q is not a time such as 2026-01-31T12:00:00Z", name, text)
	}
	return t, nil
}
