package firstparty_test

import (
	"net/http"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/firstparty"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/store"
)

// attacked is the route as tests attack it.
func attacked() intaketest.Attacked {
	return intaketest.Attacked{
		New: func(s store.Store, body *intake.Body, maxEvents int) http.Handler {
			h := newHandler(s)
			h.Body, h.MaxEvents = body, maxEvents
			return h
		},
		Path: firstparty.Path, Event: batch,
		Nested: func(levels int) string { // event_data is the first
			return batch(`,"x":` + strings.Repeat(`{"a":`, levels-2) + "{}" + strings.Repeat("}", levels-2))
		},
		Batch: func(n int) string {
			const one = `{"event_type":"a","event_data":{"event_name":"a"}}`
			return `{"events":[` + strings.Repeat(one+",", n-1) + one + `]}`
		},
	}
}

func TestR20(t *testing.T) {
	attacked().Boundaries(t)
	t.Run("an event of 1 MiB is stored, one byte more rejected", func(t *testing.T) {
		const limit, around = 1 << 20, len("e1") + len("a") + len("InternalEvent") + len(`{"x":""}`)
		for n, accepted := range map[int]int{limit - 1: 1, limit: 1, limit + 1: 0} {
			w := post(newHandler(intaketest.Nowhere{}), batch(`,"x":"`+strings.Repeat("y", n-around)+`"`))
			if got := parse(t, w); got.Accepted != accepted || accepted == 0 && got.Errors[0].Reason != "event_too_large" {
				t.Errorf("%d bytes: %+v", n, got)
			}
		}
	})
}

func TestR22(t *testing.T) { attacked().Torture(t) }

func TestR24(t *testing.T) { attacked().Bombs(t) }

func TestWhatTakesMoreMemoryThanItIsLongIsCharged(t *testing.T) { attacked().Memory(t) }

// TestR28 spoofs what only the gateway says.
func TestR28(t *testing.T) {
	s := &intaketest.Recorder{}
	spoof := `"ingested_at":"1999-01-01T00:00:00Z","caller":"root","protocol":"grpc","instance":"evil","_eventLog":{"user":"root"}`
	post(newHandler(s), `{`+spoof+`,"events":[{"event_type":"t",`+spoof+`,"event_data":{"event_id":"e1","event_name":"a",`+spoof+`}}]}`)
	if len(s.Records()) != 1 {
		t.Fatalf("%d records", len(s.Records()))
	}
	r := s.Records()[0]
	if r.Caller != "anonymous" || r.Protocol != "first-party" || r.Instance != "test" || !r.Received.Equal(intaketest.Noon) || r.Scope != "" {
		t.Errorf("the caller is believed: %+v", r)
	}
	if got := string(r.Event.Metadata); got != `{"ingested_at":"1999-01-01T00:00:00Z","caller":"root","protocol":"grpc","instance":"evil"}` {
		t.Errorf("kept: %s", got) // as data they are names like any other
	}
}
