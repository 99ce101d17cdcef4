package query

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// AppendRow appends the row of an event to dst: one JSON object on one line,
// without a newline at the end. Absent texts are null, except that only an
// event that has an idempotency_key or a sample_rate shows it. Times are RFC 3339 in UTC with as many
// digits as they need; the metadata is as the caller wrote it.
func AppendRow(dst []byte, e store.Entry) []byte {
	dst = appendText(append(dst, `{"event_id":`...), e.Event.ID)
	dst = appendText(append(dst, `,"event_name":`...), e.Event.Name)
	dst = appendText(append(dst, `,"event_type":`...), string(e.Event.Type))
	dst = appendText(append(dst, `,"actor_id":`...), e.Event.Actor)
	dst = appendTime(append(dst, `,"event_ts":`...), e.Event.Time)
	dst = append(dst, `,"ingested_at":`...)
	if e.Received.IsZero() {
		dst = append(dst, "null"...)
	} else {
		dst = appendTime(dst, e.Received)
	}
	dst = appendText(append(dst, `,"caller":`...), e.Caller)
	dst = appendText(append(dst, `,"protocol":`...), e.Protocol)
	dst = appendText(append(dst, `,"instance":`...), e.Instance)
	dst = appendObject(append(dst, `,"metadata":`...), e.Event.Metadata)
	// Few events have one; without it a row that is sent again would be another
	// content under the same id.
	if e.Event.IdempotencyKey != "" {
		dst = appendText(append(dst, `,"idempotency_key":`...), e.Event.IdempotencyKey)
	}
	if rate := e.Event.SampleRate; rate > 0 && rate < 1 { // nothing else can be sent, and NaN is no JSON
		dst = strconv.AppendFloat(append(dst, `,"sample_rate":`...), rate, 'g', -1, 64)
	}
	return append(dst, '}')
}

func appendText(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	// The error is for invalid UTF-8, which is refused at the door; should the
	// disk hold some, it was replaced by U+FFFD and the row is still JSON.
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

// appendTime writes every time, also Go's zero time: an accepted event always
// has one, and the first instant of the year 1 can be meant.
func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// appendObject writes metadata on one line. JSON allows line breaks only
// between tokens, where a space means the same.
func appendObject(dst, metadata []byte) []byte {
	if len(metadata) == 0 {
		return append(dst, "null"...)
	}
	start := len(dst)
	dst = append(dst, metadata...)
	if bytes.ContainsAny(metadata, "\n\r") {
		for i, b := range dst[start:] {
			if b == '\n' || b == '\r' {
				dst[start+i] = ' '
			}
		}
	}
	return dst
}

// A Row is an event as AppendRow writes it.
type Row struct {
	Event    daybook.Event
	Received time.Time // ingested_at
	Caller   string
	Protocol string
	Instance string
}

// ParseRow reads a row. Members that it does not know are ignored: a newer
// gateway may write more.
func ParseRow(row []byte) (Row, error) {
	var in struct {
		ID       string         `json:"event_id"`
		Name     string         `json:"event_name"`
		Type     string         `json:"event_type"`
		Actor    string         `json:"actor_id"`
		Time     time.Time      `json:"event_ts"`
		Received time.Time      `json:"ingested_at"`
		Caller   string         `json:"caller"`
		Protocol string         `json:"protocol"`
		Instance string         `json:"instance"`
		Metadata jsontext.Value `json:"metadata"`
		Key      string         `json:"idempotency_key"`
		Rate     float64        `json:"sample_rate"`
	}
	if err := json.Unmarshal(row, &in); err != nil {
		return Row{}, fmt.Errorf("row: %w", err)
	}
	e := daybook.Event{
		ID: in.ID, Name: in.Name, Type: daybook.Type(in.Type), Actor: in.Actor, Time: in.Time.UTC(),
		IdempotencyKey: in.Key, SampleRate: in.Rate,
	}
	if in.Metadata.Kind() != jsontext.KindNull {
		e.Metadata = []byte(in.Metadata)
	}
	return Row{Event: e, Received: in.Received.UTC(), Caller: in.Caller, Protocol: in.Protocol, Instance: in.Instance}, nil
}
