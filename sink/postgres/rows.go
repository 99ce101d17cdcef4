package postgres

import (
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"daybook.dev"
	"daybook.dev/sink/internal/rowwise"
)

// A row is an event on its way into the table. Its texts are the event's own,
// but for the metadata: bytes would be written as bytea where parameters are
// sent as text.
type row struct {
	event    *daybook.Event
	index    int // of the event in the Write
	id       string
	time     time.Time
	metadata string // for the column that is jsonb; "" = NULL
	text     string // for metadata_text; "" = NULL
}

// Event implements [rowwise.Row].
func (r row) Event() (e *daybook.Event, index int) { return r.event, r.index }

// nobody is the origin of events that come from no gateway.
var nobody = &daybook.Origin{}

func (r row) origin() *daybook.Origin {
	if r.event.Origin == nil {
		return nobody
	}
	return r.event.Origin
}

// size is about how many bytes the row has in a statement.
func (r row) size() int {
	const fixed = 128
	return fixed + len(r.id) + len(r.event.Name) + len(r.metadata) + len(r.text)
}

// rowOf returns the row of an event, or why no table can take it.
func rowOf(e *daybook.Event, index int, now time.Time) (row, *daybook.Error) {
	r := row{event: e, index: index, id: e.ID, time: e.Time}
	if r.id == "" {
		r.id = uuid.NewString()
	}
	if r.time.IsZero() && e.Origin == nil {
		r.time = now // what came through a gateway has a time, be it the year 1
	}
	if field := unstorable(r); field != "" {
		return row{}, unacceptable(index, field, "text_not_storable", field+" contains a NUL character or is not valid UTF-8, which no PostgreSQL text may be")
	}
	if y := r.time.UTC().Year(); y < -4712 || y > 294275 {
		return row{}, unacceptable(index, "event_ts", "invalid_time", "event_ts is outside of the years that PostgreSQL has")
	}
	text := string(e.Metadata)
	switch examine(e.Metadata) {
	case same:
		r.metadata = text
	case altered:
		r.metadata, r.text = text, text
	default:
		r.text = text
	}
	return r, nil
}

// unstorable names the first member whose bytes a text of the server cannot
// have, or "".
func unstorable(r row) string {
	e, o := r.event, r.origin()
	members := []rowwise.Member{
		{Name: "event_id", Text: r.id},
		{Name: "event_name", Text: e.Name},
		{Name: "event_type", Text: string(e.Type)},
		{Name: "actor_id", Text: e.Actor},
		{Name: "idempotency_key", Text: e.IdempotencyKey},
		{Name: "scope", Text: o.Scope},
		{Name: "caller", Text: o.Caller},
		{Name: "protocol", Text: o.Protocol},
		{Name: "instance", Text: o.Instance},
	}
	if name := rowwise.NotUTF8(members, "\x00"); name != "" {
		return name
	}
	if !utf8.Valid(e.Metadata) {
		return "metadata"
	}
	return ""
}

func unacceptable(index int, field, reason, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Where: where, Field: field, Reason: reason, Message: message, Index: index}
}

// arguments returns the parameters of the insert: an array per column, in the
// order of columns.
func arguments(rows []row) []any {
	n := len(rows)
	ids, scopes, names := make([]string, n), make([]string, n), make([]string, n)
	kinds, actors := make([]*string, n), make([]*string, n)
	times, received := make([]time.Time, n), make([]*time.Time, n)
	callers, protocols, instances := make([]*string, n), make([]*string, n), make([]*string, n)
	keys, rates := make([]*string, n), make([]*float64, n)
	metadata, texts := make([]*string, n), make([]*string, n)
	for i := range rows {
		r := &rows[i]
		e, o := r.event, r.origin()
		ids[i], scopes[i], names[i] = r.id, o.Scope, e.Name
		kinds[i], actors[i] = orNull((*string)(&e.Type)), orNull(&e.Actor)
		times[i] = r.time
		if !o.Received.IsZero() {
			received[i] = &o.Received
		}
		callers[i], protocols[i], instances[i] = orNull(&o.Caller), orNull(&o.Protocol), orNull(&o.Instance)
		keys[i] = orNull(&e.IdempotencyKey)
		if e.SampleRate > 0 && e.SampleRate < 1 {
			rates[i] = &e.SampleRate
		}
		metadata[i], texts[i] = orNull(&r.metadata), orNull(&r.text)
	}
	return []any{
		ids, scopes, names, kinds, actors, times, received, callers, protocols, instances, keys, rates, metadata, texts,
	}
}

func orNull(s *string) *string {
	if *s == "" {
		return nil
	}
	return s
}
