package sink_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/sink"
)

func seeds(f *testing.F) {
	for _, metadata := range []string{
		``, `{}`, `{"a":1,"event_id":2,"_eventLog":{"b":[]}}`, `{"event\u005fid":"}","b":"\\"}`, "{\n\"a\" : [ { } , \"]\" ]\n}",
		`{"a":1,"a":2}`, `[`, `{"actor_id":null,"sample_rate":"x"}`, `{"":{"":{"":""}}}`, `{"a":1e400,"b":-0.0}`,
	} {
		f.Add("id", "name", "type", "actor", "key", []byte(metadata), 0.5, int64(1))
		f.Add("\xff", "a\nb", "", "", "", []byte(metadata), 0.0, int64(-1<<62))
	}
}

// members returns the members of a strict JSON object as compact texts.
func members(t *testing.T, object []byte) map[string]string {
	t.Helper()
	if !jsontext.Value(object).IsValid() || bytes.ContainsAny(object, "\r\n") {
		t.Fatalf("no strict JSON on one line: %s", object)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(object, &raw); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for name, value := range raw {
		texts[name] = string(value)
	}
	return texts
}

// given returns the members of the metadata as a reader finds them.
func given(t *testing.T, metadata []byte) map[string]string {
	t.Helper()
	if len(metadata) == 0 {
		return map[string]string{}
	}
	compact, err := jsontext.AppendFormat(nil, metadata, jsontext.PreserveRawStrings(true))
	if err != nil {
		t.Fatalf("taken, and no strict JSON: %s", metadata)
	}
	return members(t, compact)
}

func FuzzFlat(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, id, name, class, actor, key string, metadata []byte, rate float64, at int64) {
		e := daybook.Event{
			ID: id, Name: name, Type: daybook.Type(class), Actor: actor, IdempotencyKey: key,
			Metadata: bytes.Clone(metadata), SampleRate: rate, Time: time.Unix(at, 0),
		}
		m, err := sink.Flat{}.Encode(nil, &e)
		if !bytes.Equal(e.Metadata, metadata) {
			t.Fatal("the metadata was changed")
		}
		if err != nil {
			return
		}
		want := given(t, metadata)
		own := map[string]string{"event_id": id, "event_type": class, "event_name": name, "event_time": time.Unix(at, 0).UTC().Format(time.RFC3339Nano)}
		if actor != "" {
			own["actor_id"] = actor
		}
		if key != "" {
			own["idempotency_key"] = key
		}
		for name, text := range own {
			quoted, err := jsontext.AppendQuote(nil, text)
			if err != nil {
				t.Fatal("taken, and no UTF-8")
			}
			want[name] = string(quoted)
		}
		if rate != 0 {
			want["sample_rate"] = strconv.FormatFloat(rate, 'g', -1, 64)
		}
		delete(want, "_eventLog")
		if e.Time.IsZero() {
			want["event_time"] = `""`
		}
		if got := members(t, m.Value); !maps.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func FuzzCloudEvents(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, id, name, class, actor, key string, metadata []byte, rate float64, at int64) {
		e := daybook.Event{
			ID: id, Name: name, Type: daybook.Type(class), Actor: actor, IdempotencyKey: key,
			Metadata: metadata, SampleRate: rate, Time: time.Unix(at, 0), Origin: &daybook.Origin{Scope: class, Caller: actor},
		}
		m, err := sink.CloudEvents{}.Encode(nil, &e)
		if err != nil {
			return
		}
		got := members(t, m.Value)
		for _, required := range []string{"specversion", "id", "source", "type"} {
			if len(got[required]) <= len(`""`) {
				t.Errorf("%s is %s", required, got[required])
			}
		}
		want := given(t, metadata)
		delete(want, "_eventLog")
		if data := got["data"]; data == "" && len(want) > 0 {
			t.Error("the data is missing")
		} else if data != "" && !maps.Equal(members(t, []byte(data)), want) {
			t.Errorf("data is %s, want %q", data, want)
		}
	})
}
