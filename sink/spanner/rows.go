package spanner

import (
	"time"
	"unicode/utf8"

	"cloud.google.com/go/spanner/apiv1/spannerpb"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/structpb"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/rowwise"
)

// A row is an event on its way into the table.
type row struct {
	event *daybook.Event
	index int // of the event in the Write
	key   string
	time  time.Time
	text  bool // the metadata goes into metadata_text
}

// Event implements [rowwise.Row].
func (r row) Event() (e *daybook.Event, index int) { return r.event, r.index }

// size is about how many bytes the row has in a request.
func (r row) size() int {
	const fixed = 128
	return fixed + len(r.event.Name) + len(r.event.Type) + len(r.event.Actor) + len(r.event.Metadata)
}

// rowOf returns the row of an event, or why no table can take it.
func rowOf(e *daybook.Event, index int, now time.Time) (row, *daybook.Error) {
	r := row{event: e, index: index, time: e.Time.UTC()}
	if e.ID == "" {
		r.key = uuid.NewString()
	} else {
		r.key = sink.RowID(e)
	}
	if e.Time.IsZero() && e.Origin == nil {
		r.time = now.UTC() // what came through a gateway has a time, be it the year 1
	}
	members := []rowwise.Member{{Name: "event_name", Text: e.Name}, {Name: "event_type", Text: string(e.Type)}, {Name: "actor_id", Text: e.Actor}}
	field := rowwise.NotUTF8(members, "")
	if field == "" && !utf8.Valid(e.Metadata) {
		field = "metadata"
	}
	if field != "" {
		return row{}, unacceptable(index, field, "text_not_storable", field+" is not valid UTF-8")
	}
	if y := r.time.Year(); y < 1 || y > 9999 {
		return row{}, unacceptable(index, "event_ts", "invalid_time", "event_ts is outside of the years 1 to 9999")
	}
	return r, nil
}

func unacceptable(index int, field, reason, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Where: where, Field: field, Reason: reason, Message: message, Index: index}
}

// Values that many cells share; nobody changes them.
var (
	null            = structpb.NewNullValue()
	commitTimestamp = structpb.NewStringValue("spanner.commit_timestamp()")
)

// insertion returns the mutation that inserts rows. It fails, as a whole, when
// one of them is there.
func insertion(table string, rows []row) *spannerpb.Mutation {
	withText := false
	for i := range rows {
		withText = withText || rows[i].text
	}
	w := &spannerpb.Mutation_Write{Table: table, Columns: names(withText), Values: make([]*structpb.ListValue, len(rows))}
	lists := make([]structpb.ListValue, len(rows))
	pointers := make([]*structpb.Value, 0, len(rows)*len(columns))
	c := newCells(len(rows) * len(columns))
	for i := range rows {
		start := len(pointers)
		pointers = rows[i].appendValues(pointers, c, withText)
		lists[i].Values = pointers[start:len(pointers):len(pointers)]
		w.Values[i] = &lists[i]
	}
	return &spannerpb.Mutation{Operation: &spannerpb.Mutation_Insert{Insert: w}}
}

// appendValues appends the row's cells in the order of columns.
func (r row) appendValues(list []*structpb.Value, c *cells, withText bool) []*structpb.Value {
	e := r.event
	metadata, text := c.orNull(string(e.Metadata)), null
	if r.text {
		metadata, text = null, metadata
	}
	list = append(list, c.text(r.key), c.text(e.Name), c.orNull(string(e.Type)), c.orNull(e.Actor),
		c.text(r.time.Format(time.RFC3339Nano)), metadata, commitTimestamp)
	if withText {
		list = append(list, text)
	}
	return list
}

// cells are the values of one mutation, made in one piece.
type cells struct {
	values []structpb.Value
	texts  []structpb.Value_StringValue
}

func newCells(n int) *cells {
	return &cells{values: make([]structpb.Value, n), texts: make([]structpb.Value_StringValue, n)}
}

func (c *cells) text(s string) *structpb.Value {
	v, t := &c.values[0], &c.texts[0]
	c.values, c.texts = c.values[1:], c.texts[1:]
	t.StringValue, v.Kind = s, t
	return v
}

func (c *cells) orNull(s string) *structpb.Value {
	if s == "" {
		return null
	}
	return c.text(s)
}
