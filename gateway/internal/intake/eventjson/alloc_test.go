package eventjson_test

import (
	"strings"
	"testing"

	"daybook.dev/gateway/internal/intake/eventjson"
)

// The texts of a batch become one string together: what decoding allocates does
// not grow with the events. (The race detector makes pools forget, so that a
// decoder has to grow anew; that is far less than one allocation for each.)
func TestDecodingAllocatesNothingForEachEvent(t *testing.T) {
	const events = 1_000
	for name, c := range map[string]struct {
		form  eventjson.Form
		event string
	}{
		"plain":       {eventjson.Form{}, `{"event_id":"e1","event_name":"a","user_id":"ann","metadata":{"x":1}}`},
		"activity":    {eventjson.Form{Complete: true, Dataset: "prod", EventBytes: 1 << 20}, `{"event_id":"e1","event_time":"2026-01-31T12:00:00Z","event_type":"log","event_name":"a","user_id":"ann"}`},
		"first-party": {eventjson.Form{Data: "event_data", Time: "client_timestamp"}, `{"event_type":"t","event_data":{"event_id":"e1","event_name":"a","client_timestamp":"2026-01-31T12:00:00Z","x":{"y":1}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(strings.Repeat(c.event+"\n", events))
			got := testing.AllocsPerRun(20, func() {
				d := eventjson.New(c.form, nil)
				defer d.Release()
				decoded, err := d.Decode(body, events)
				if err != nil || len(decoded) != events || decoded[events-1].Err != nil {
					t.Fatal(len(decoded), err)
				}
			})
			if got > events/4 {
				t.Errorf("%v allocations for %d events", got, events)
			}
		})
	}
}
