package query_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"
	"unicode/utf8"

	"daybook.dev"
	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/store"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func TestARowHasTheKeysInOrderAndNullWhereAbsent(t *testing.T) {
	for name, test := range map[string]struct {
		entry store.Entry
		want  string
	}{
		"everything": {
			store.Entry{Record: store.Record{
				Event: daybook.Event{
					ID: "1", Name: "login-success", Type: daybook.Behavioral, Actor: "ann",
					Time:     noon.Add(120 * time.Millisecond),
					Metadata: []byte(`{"n":1.50,"big":12345678901234567890}`),
				},
				Caller: "anonymous", Protocol: "http", Instance: "host", Received: noon.Add(1),
			}},
			`{"event_id":"1","event_name":"login-success","event_type":"behavioral","actor_id":"ann",` +
				`"event_ts":"2026-01-31T12:00:00.12Z","ingested_at":"2026-01-31T12:00:00.000000001Z",` +
				`"caller":"anonymous","protocol":"http","instance":"host","metadata":{"n":1.50,"big":12345678901234567890}}`,
		},
		"with a sample rate": {
			store.Entry{Record: store.Record{Event: daybook.Event{ID: "1", Name: "x", IdempotencyKey: "k", SampleRate: 0.25}}},
			`{"event_id":"1","event_name":"x","event_type":null,"actor_id":null,"event_ts":"0001-01-01T00:00:00Z","ingested_at":null,` +
				`"caller":null,"protocol":null,"instance":null,"metadata":null,"idempotency_key":"k","sample_rate":0.25}`,
		},
		"a sample rate that is no number": {
			store.Entry{Record: store.Record{Event: daybook.Event{ID: "1", Name: "x", SampleRate: math.NaN()}}},
			`{"event_id":"1","event_name":"x","event_type":null,"actor_id":null,"event_ts":"0001-01-01T00:00:00Z","ingested_at":null,` +
				`"caller":null,"protocol":null,"instance":null,"metadata":null}`,
		},
		"the least": {
			store.Entry{Record: store.Record{Event: daybook.Event{ID: "1", Name: "x"}}},
			`{"event_id":"1","event_name":"x","event_type":null,"actor_id":null,` +
				`"event_ts":"0001-01-01T00:00:00Z","ingested_at":null,"caller":null,"protocol":null,"instance":null,"metadata":null}`,
		},
		"texts that need escapes, and metadata on several lines": {
			store.Entry{Record: store.Record{
				Event:    daybook.Event{ID: "a\"b\\c\n\x00", Name: "naïve \u2028 🎉 <b>", Time: noon.In(time.FixedZone("", 3600)), Metadata: []byte("{\n \"a\":\r\n \"\\n\"}")},
				Received: noon,
			}},
			`{"event_id":"a\"b\\c\n\u0000","event_name":"naïve ` + "\u2028" + ` 🎉 <b>","event_type":null,"actor_id":null,` +
				`"event_ts":"2026-01-31T12:00:00Z","ingested_at":"2026-01-31T12:00:00Z","caller":null,"protocol":null,"instance":null,` +
				`"metadata":{  "a":   "\n"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(query.AppendRow(nil, test.entry)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestARowReadsBackAsTheEvent(t *testing.T) {
	e := store.Entry{Record: store.Record{
		Event:  daybook.Event{ID: "1", Name: "x", Type: "t", Actor: "a", Time: noon, Metadata: []byte(`{"a":[1, 2]}`), IdempotencyKey: "k", SampleRate: 1e-7},
		Caller: "c", Protocol: "http", Instance: "i", Received: noon.Add(1),
	}}
	row, err := query.ParseRow(query.AppendRow(nil, e))
	if err != nil {
		t.Fatal(err)
	}
	if string(row.Event.Metadata) != string(e.Event.Metadata) {
		t.Errorf("metadata %s, want %s", row.Event.Metadata, e.Event.Metadata)
	}
	row.Event.Metadata, e.Event.Metadata = nil, nil
	if got, want := row.Event, e.Event; got.ID != want.ID || got.Name != want.Name || got.Type != want.Type || got.Actor != want.Actor || !got.Time.Equal(want.Time) ||
		got.IdempotencyKey != want.IdempotencyKey || got.SampleRate != want.SampleRate {
		t.Errorf("event %+v, want %+v", got, want)
	}
	if row.Caller != "c" || row.Protocol != "http" || row.Instance != "i" || !row.Received.Equal(e.Received) {
		t.Errorf("row %+v", row)
	}
}

func TestAMemberThatIsNotKnownIsIgnoredAndAbsentOnesAreZero(t *testing.T) {
	row, err := query.ParseRow([]byte(`{"event_id":"1","new_key":{"a":1},"metadata":null,"ingested_at":null}`))
	if err != nil || row.Event.ID != "1" || row.Event.Metadata != nil || !row.Received.IsZero() {
		t.Errorf("row %+v, %v", row, err)
	}
	for _, text := range []string{"", "[]", `{"event_id":1}`, `{"event_ts":"soon"}`, `{"event_id":"1"`} {
		if _, err := query.ParseRow([]byte(text)); err == nil {
			t.Errorf("%q was read as a row", text)
		}
	}
}

func FuzzRow(f *testing.F) {
	f.Add("id", "name", "type\n", []byte(`{"a":1}`))
	f.Add("\xff", "\u2028", "\x00\"\\", []byte("{\n}"))
	f.Fuzz(func(t *testing.T, id, name, class string, metadata []byte) {
		if !json.Valid(metadata) {
			metadata = nil
		}
		e := store.Entry{Record: store.Record{
			Event: daybook.Event{ID: id, Name: name, Type: daybook.Type(class), Time: noon, Metadata: metadata}, Received: noon,
		}}
		row := query.AppendRow(nil, e)
		for _, b := range row {
			if b == '\n' || b == '\r' {
				t.Fatalf("a line break in %q", row)
			}
		}
		if !json.Valid(row) {
			t.Fatalf("not JSON: %q", row)
		}
		var back struct {
			ID string `json:"event_id"`
		}
		if err := json.Unmarshal(row, &back); err != nil || utf8.ValidString(id) && back.ID != id {
			t.Errorf("id %q came back as %q, %v", id, back.ID, err)
		}
	})
}

// A row is written for every event that tail shows.
func BenchmarkAppendRowNoAlloc(b *testing.B) {
	e := store.Entry{Record: store.Record{
		Event: daybook.Event{
			ID: "0b6f0f6e-5d0b-4a44-9c62-6d1c5f6d9c1e", Name: "login-success", Type: daybook.Behavioral, Actor: "ann", Time: noon.Add(1),
			Metadata: []byte(`{"plan":"pro","country":"DE","n":12345}`),
		},
		Caller: "anonymous", Protocol: "http", Instance: "host", Received: noon.Add(2),
	}}
	var row []byte
	b.ReportAllocs()
	for b.Loop() {
		row = query.AppendRow(row[:0], e)
	}
}
