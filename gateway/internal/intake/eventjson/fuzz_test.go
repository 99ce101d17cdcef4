package eventjson_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/intake/eventjson"
)

// forms are those of the protocols, and all they can ask for together.
var forms = []eventjson.Form{
	{},
	{One: true, Complete: true, EventBytes: 200},
	{Complete: true, EventBytes: 200, Dataset: "prod"},
	{List: "events", Complete: true, EventBytes: 200},
	{List: "events", Data: "event_data", Time: "client_timestamp"},
	{List: "events", Data: "event_data", Time: "client_timestamp", Complete: true, EventBytes: 200, Dataset: "prod"},
}

// FuzzDecode holds what must be true of any body in any form: decoding it twice
// says the same, changes nothing of it, and what is not refused has metadata that
// is strict JSON, and the dataset that only the route says.
func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		`{"event_id":"e1","event_time":"2026-01-31T12:00:00Z","event_type":"log","event_name":"a","x":[1,{"y":null}]}`,
		`{"event_name":"a"}` + "\n" + `{"event_name":"b","metadata":{"x":1},"user_id":7}`,
		`[{"event_name":"a"},7,{"event_name":"b","_dataset":"mine","_eventLog":1}]`,
		`{"events":[{"event_name":"a","x":1,"x":2}],"more":{"a":1}}`,
		`{"events":[{"event_type":"t","event_id":"1","event_data":{"event_type":"t","event_name":"a","client_timestamp":"2026-01-31T12:00:00Z","metadata":{}}}]}`,
		`{"event_id":"e1","event_time":"2026-01-31T12:00:00Z","event_type":"log","event_name":"a","x":"` + strings.Repeat("y", 300) + `"}`,
		`{"event_name":"a","\u005fdataset":"mine","x":"\ud800"}`,
	} {
		for form := range forms {
			f.Add(uint8(form), []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		form := forms[int(which)%len(forms)]
		before := bytes.Clone(body)
		first, second := decode(t, form, body), decode(t, form, body)
		if !bytes.Equal(body, before) {
			t.Fatal("decoding changed the body")
		}
		if first != second {
			t.Fatalf("decoded once\n%s\nand once more\n%s", first, second)
		}
	})
}

// decode writes down what a body is decoded to.
func decode(t *testing.T, form eventjson.Form, body []byte) string {
	t.Helper()
	const most = 20
	d := eventjson.New(form, nil)
	defer d.Release()
	events, refused := d.Decode(body, most)
	if refused != nil {
		if len(events) > 0 || refused.Reason == "" {
			t.Fatalf("refused as a whole: %v, with %d events", refused, len(events))
		}
		return refused.Error()
	}
	if len(events) > most {
		t.Fatalf("%d events", len(events))
	}
	var b strings.Builder
	for i := range events {
		s := &events[i]
		if s.Err != nil {
			b.WriteString(s.Err.Error() + "\n")
			continue
		}
		m := jsontext.Value(s.Event.Metadata)
		if m != nil && (!m.IsValid() || m.Kind() != '{') {
			t.Fatalf("the metadata is no strict JSON object: %s", m)
		}
		if form.Dataset != "" && !strings.HasSuffix(string(m), `"_dataset":"prod"}`) {
			t.Fatalf("the dataset is lost: %s", m)
		}
		if form.EventBytes > 0 && !s.Truncated && len(m) > form.EventBytes {
			t.Fatalf("too large, and not truncated: %d bytes", len(m))
		}
		b.WriteString(s.Event.ID + s.Event.Name + string(s.Event.Type) + s.Event.Actor + s.Event.Time.String() + string(m) + "\n")
	}
	return b.String()
}
