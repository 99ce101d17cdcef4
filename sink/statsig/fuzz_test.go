package statsig_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"daybook.dev"
	"daybook.dev/sink/statsig"
)

// FuzzBody makes sure that whatever an event says, what is sent is what Statsig
// takes whole: the service's own reader has to be content.
func FuzzBody(f *testing.F) {
	for _, metadata := range []string{``, `{}`, `{"a":"\ud83d\ude80\u0001","b":[1,{"c":"\""}]}`, `{"\u0000":"","event_id":1}`, `[`, `{"a":1,"a":2}`} {
		f.Add("id", "name", "type", "actor", []byte(metadata), 1)
		f.Add("id\x01", "🎉name", "", "\"", []byte(metadata), 3000)
	}
	f.Fuzz(func(t *testing.T, id, name, class, actor string, metadata []byte, times int) {
		if times < 0 || times*len(metadata) > 1<<16 {
			return
		}
		if times > 1 && json.Valid(metadata) { // make it long
			parts := make([]json.RawMessage, times)
			for i := range parts {
				parts[i] = metadata
			}
			list, _ := json.Marshal(parts)
			metadata = []byte(`{"a":` + string(list) + `,"b":"","c":` + string(list) + `}`)
		}
		body, err := statsig.Body([]daybook.Event{{ID: id, Name: name, Type: daybook.Type(class), Actor: actor, Metadata: metadata}})
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodPost, "/v1/log_event", nil)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Statsig-Client-Time", statsig.Now())
		events, err := read(r, body)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) != 1 || events[0].Metadata["event_id"] != id {
			t.Errorf("arrived: %+v", events)
		}
	})
}
