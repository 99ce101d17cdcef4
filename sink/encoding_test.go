package sink_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/sink"
)

var happened = time.Date(2026, time.November, 21, 10, 35, 43, 123456789, time.FixedZone("", 3600))

// full is an event with everything, as a gateway hands it to its sinks.
func full() daybook.Event {
	return daybook.Event{
		ID: "order-1", Name: "order-paid", Type: daybook.Behavioral, Actor: "ann", Time: happened,
		Metadata:       json.RawMessage(`{"cents":1299,"big":12345678901234567890.000,"_eventLog":{"caller":{"actorId":"a"}},"plan":"pro"}`),
		IdempotencyKey: "key-1", SampleRate: 0.25,
		Origin: &daybook.Origin{Scope: "check/out", Caller: "checkout", Protocol: "http", Instance: "g", Received: happened},
	}
}

func encode(t *testing.T, encoding sink.Encoding, e daybook.Event) string {
	t.Helper()
	m, err := encoding.Encode([]byte("before "), &e)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(string(m.Value), "before ")
	if !ok {
		t.Fatalf("not appended: %s", m.Value)
	}
	if !jsontext.Value(text).IsValid() || strings.Contains(text, "\n") {
		t.Errorf("no JSON on one line: %s", text)
	}
	return text
}

func TestFlat(t *testing.T) {
	four := func(e daybook.Event) daybook.Event {
		return daybook.Event{ID: e.ID, Name: e.Name, Type: e.Type, Time: e.Time, Metadata: e.Metadata}
	}
	with := func(metadata string) daybook.Event {
		e := four(full())
		e.Metadata = json.RawMessage(metadata)
		return e
	}
	const head = `{"event_id":"order-1","event_time":"2026-11-21T09:35:43.123456789Z","event_type":"behavioral","event_name":"order-paid"`
	for _, c := range []struct {
		name  string
		event daybook.Event
		want  string
	}{
		{
			"everything the event says is a member, and nothing of what the gateway knows", full(),
			head + `,"actor_id":"ann","idempotency_key":"key-1","sample_rate":0.25,"cents":1299,"big":12345678901234567890.000,"plan":"pro"}`,
		},
		{"no metadata", with(``), head + `}`},
		{"empty metadata", with(" { } "), head + `}`},
		{"metadata of a gateway only", with(`{"_eventLog":{}}`), head + `}`},
		{
			"the four win, however their names are written",
			with(`{"event_id":1,"a":1,"event_time":[{"]":"}"}],"event\u005ftype":"x","event_name":"\"","b":2,"_event\u004cog":3}`),
			head + `,"a":1,"b":2}`,
		},
		{"what the event does not say itself may be an attribute", with(`{"actor_id":"bob","idempotency_key":"k","sample_rate":1}`), head + `,"actor_id":"bob","idempotency_key":"k","sample_rate":1}`},
		{"metadata over several lines goes on one", with("{\n\"a\": [ 1,\r\n\t{ \"b\" : \"c d\" } ],\n\"e\": 1e400 }"), head + `,"a":[1,{"b":"c d"}],"e":1e400}`},
		{"texts stay as they were written", with(`{"a":"\u0041\/\ud83d\ude80 🎉"}`), head + `,"a":"\u0041\/\ud83d\ude80 🎉"}`},
		{"without time and type there is empty text", daybook.Event{ID: "a", Name: "b"}, `{"event_id":"a","event_time":"","event_type":"","event_name":"b"}`},
		{"names are escaped", daybook.Event{ID: "a\n\"\\", Name: "b\x00"}, `{"event_id":"a\n\"\\","event_time":"","event_type":"","event_name":"b\u0000"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := encode(t, sink.Flat{}, c.event); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	t.Run("the event's own actor and keys win over attributes", func(t *testing.T) {
		e := full()
		e.Metadata = json.RawMessage(`{"actor_id":"bob","idempotency_key":"k","sample_rate":1,"user_id":"u"}`)
		if got, want := encode(t, sink.Flat{}, e), head+`,"actor_id":"ann","idempotency_key":"key-1","sample_rate":0.25,"user_id":"u"}`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
	t.Run("there are no attributes", func(t *testing.T) {
		e := full()
		if m, err := (sink.Flat{}).Encode(nil, &e); err != nil || m.Attributes != nil {
			t.Errorf("got %v, %v", m.Attributes, err)
		}
	})
}

func TestCloudEvents(t *testing.T) {
	const want = `{"specversion":"1.0","id":"order-1","source":"daybook/check%2Fout","type":"order-paid","time":"2026-11-21T09:35:43.123456789Z",` +
		`"subject":"ann","eventtype":"behavioral","caller":"checkout","idempotencykey":"key-1","samplerate":"0.25",` +
		`"datacontenttype":"application/json","data":{"cents":1299,"big":12345678901234567890.000,"plan":"pro"}}`
	if got := encode(t, sink.CloudEvents{}, full()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	t.Run("what the event lacks is left out", func(t *testing.T) {
		got := encode(t, sink.CloudEvents{Source: "//shop.example/orders"}, daybook.Event{ID: "a", Name: "b"})
		if want := `{"specversion":"1.0","id":"a","source":"//shop.example/orders","type":"b"}`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
	t.Run("the message says what it is", func(t *testing.T) {
		e := full()
		m, err := sink.CloudEvents{}.Encode(nil, &e)
		if err != nil || len(m.Attributes) != 1 || m.Attributes["content-type"] != "application/cloudevents+json" {
			t.Errorf("got %v, %v", m.Attributes, err)
		}
	})
	t.Run("a control character is refused", func(t *testing.T) {
		e := full()
		e.Actor = "a\nb"
		refused(t, sink.CloudEvents{}, e, "subject", "invalid_value")
	})
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	for name, encoding := range map[string]sink.Encoding{"flat": sink.Flat{}, "cloudevents": sink.CloudEvents{}} {
		for _, c := range []struct {
			name          string
			change        func(e *daybook.Event)
			field, reason string
		}{
			{"no id", func(e *daybook.Event) { e.ID = "" }, "event_id", "blank_text"},
			{"no name", func(e *daybook.Event) { e.Name = "" }, "event_name", "blank_name"},
			{"text that is no UTF-8", func(e *daybook.Event) { e.ID = "canary\xff" }, "", "invalid_utf8"},
			{"a time beyond four digits", func(e *daybook.Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "", "invalid_time"},
			{"a rate that is no number", func(e *daybook.Event) { e.SampleRate = math.NaN() }, "sample_rate", "invalid_sample_rate"},
			{"a rate above 1", func(e *daybook.Event) { e.SampleRate = 1.5 }, "sample_rate", "invalid_sample_rate"},
			{"metadata that ends early", func(e *daybook.Event) { e.Metadata = []byte(`{"canary":"canary`) }, "metadata", "invalid_json"},
			{"metadata with a name twice", func(e *daybook.Event) { e.Metadata = []byte(`{"canary":1,"canary":2}`) }, "metadata", "invalid_json"},
			{"metadata that is no UTF-8", func(e *daybook.Event) { e.Metadata = []byte("{\"canary\":\"\xff\"}") }, "metadata", "invalid_json"},
			{"metadata with half a character", func(e *daybook.Event) { e.Metadata = []byte(`{"canary":"\ud800"}`) }, "metadata", "invalid_json"},
			{"metadata that is no object", func(e *daybook.Event) { e.Metadata = []byte(`["canary"]`) }, "metadata", "wrong_type"},
			{"metadata with something behind it", func(e *daybook.Event) { e.Metadata = []byte(`{}{"canary":1}`) }, "metadata", "invalid_json"},
		} {
			t.Run(name+": "+c.name, func(t *testing.T) {
				e := full()
				c.change(&e)
				refused(t, encoding, e, c.field, c.reason)
			})
		}
	}
}

func refused(t *testing.T, encoding sink.Encoding, e daybook.Event, field, reason string) {
	t.Helper()
	m, err := encoding.Encode(nil, &e)
	refusal, ok := errors.AsType[*daybook.Error](err)
	if !ok || refusal.Code != daybook.Invalid || refusal.Reason != reason || field != "" && refusal.Field != field {
		t.Fatalf("error is %#v, want %s for %s", err, reason, field)
	}
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("the error shows content: %v", err)
	}
	if m.Value != nil {
		t.Errorf("a message comes with the error: %s", m.Value)
	}
}

func BenchmarkFlat(b *testing.B) {
	e := full()
	e.Metadata = []byte(`{"plan":"enterprise","amount":129.95,"currency":"EUR","items":[{"sku":"A-1001","n":2},{"sku":"B-2002","n":1}],` +
		`"page":"/checkout/confirm","referrer":"https://www.example.com/cart","experiment":"blue-button","variant":"b","first":true,"latency_ms":187,"ua":"Mozilla/5.0 (X11; Linux x86_64)"}`)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		m, err := sink.Flat{}.Encode(dst[:0], &e)
		if err != nil {
			b.Fatal(err)
		}
		dst = m.Value
	}
	b.SetBytes(int64(len(dst)))
}
