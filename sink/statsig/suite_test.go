package statsig_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/sink/internal/outbound/outboundtest"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/statsig"
)

// flattened is what Statsig has of an event's metadata: one level, all text.
func flattened(e daybook.Event) sinktest.Arrival {
	var members map[string]json.RawMessage
	json.Unmarshal(e.Metadata, &members)
	texts := map[string]string{}
	for name, value := range members {
		var text string
		if value[0] == '"' {
			json.Unmarshal(value, &text)
		} else {
			var compact bytes.Buffer
			json.Compact(&compact, value)
			text = compact.String()
		}
		texts[name] = text
	}
	metadata, _ := json.Marshal(texts)
	return sinktest.Arrival{ID: e.ID, Name: e.Name, Metadata: metadata}
}

func TestSuite(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		s := newService(t)
		return sinktest.Target{
			Sink: open(t, statsig.Config{URL: s.URL}), Arrived: s.list, Mend: s.mend, Hang: s.hangIt,
			Break:   func() { s.answers(http.StatusBadGateway, "a proxy's page") },
			Secrets: []string{key},
		}
	}, sinktest.Traits{
		Ordered: true, Partial: true, ExactNumbers: true, Expect: flattened,
		Largest: 3500, // of the 4,096 characters of metadata, those that are ours too
		Bad: func(e daybook.Event) daybook.Event {
			e.Metadata = []byte(`{"secret":"` + sinktest.Canary + `","secret":2}`)
			return e
		},
	})
}

var faulty = outboundtest.Case{
	Open: func(url string, timeout time.Duration, allowPrivate bool) (daybook.Sink, error) {
		s, err := statsig.Open(statsig.Config{URL: url, Key: key, Timeout: timeout, AllowPrivate: allowPrivate})
		if err != nil {
			return nil, err
		}
		return s, nil
	},
	Good: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		w.Write([]byte(`{"success":true}`))
	},
	Want: map[string]daybook.Code{
		"425":                          daybook.Invalid, // the contract names what is tried again
		"501":                          daybook.Unavailable,
		"slow drip of a 200":           daybook.Unavailable, // a status alone says nothing
		"reset in the middle of a 200": daybook.Unavailable,
		"huge body of a 200":           daybook.Unimplemented, // whatever that is, it is not Statsig
	},
	Secrets: []string{key},
}

func TestR13Faults(t *testing.T)    { faulty.Faults(t) }
func TestR29Addresses(t *testing.T) { faulty.Addresses(t) }
func TestR30Canaries(t *testing.T)  { faulty.Canaries(t) }
