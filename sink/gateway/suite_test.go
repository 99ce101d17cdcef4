package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/sink/gateway"
	"daybook.dev/sink/internal/outbound/outboundtest"
	"daybook.dev/sink/sinktest"
)

// there is what the centre has of an event of the suite.
func there(e daybook.Event) sinktest.Arrival {
	a := sinktest.Arrival{ID: e.ID, Name: e.Name, Metadata: e.Metadata}
	if e.Origin != nil && strings.Count(e.ID, "-") != 4 { // one id of the suite is a UUID
		a.ID = e.Origin.Scope + "/" + e.ID
	}
	return a
}

func TestSuite(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		c := newCentre(t)
		return sinktest.Target{
			Sink: open(t, gateway.Config{URL: c.URL}), Arrived: c.list, Mend: c.mend, Hang: c.hangIt,
			Break:   func() { c.answers(http.StatusBadGateway, "a proxy's page") },
			Secrets: []string{key},
		}
	}, sinktest.Traits{
		Ordered: true, Deduplicates: true, Partial: true, ExactNumbers: true, Expect: there,
		Bad: func(e daybook.Event) daybook.Event {
			e.Name = "  "
			return e
		},
	})
}

var faulty = outboundtest.Case{
	Open: func(url string, timeout time.Duration, allowPrivate bool) (daybook.Sink, error) {
		s, err := gateway.Open(gateway.Config{URL: url, Key: key, Timeout: timeout, AllowPrivate: allowPrivate})
		if err != nil {
			return nil, err
		}
		return s, nil
	},
	Good: func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"durability":"fsync","results":[{"index":0,"event_id":"e","status":"stored"}]}`)
	},
	Want: map[string]daybook.Code{
		// No gateway answers like that.
		"402": daybook.Unimplemented, "409": daybook.Unimplemented, "418": daybook.Unimplemented,
		// A status alone says nothing of the events.
		"slow drip of a 200": daybook.Unavailable, "reset in the middle of a 200": daybook.Unavailable, "huge body of a 200": daybook.Unavailable,
	},
	Secrets: []string{key},
}

func TestR13Faults(t *testing.T)    { faulty.Faults(t) }
func TestR29Addresses(t *testing.T) { faulty.Addresses(t) }
func TestR30Canaries(t *testing.T)  { faulty.Canaries(t) }
