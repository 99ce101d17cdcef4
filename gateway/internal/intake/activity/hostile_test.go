package activity_test

import (
	"net/http"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/store"
)

// attacked are the three routes as tests attack them.
func attacked() map[string]intaketest.Attacked {
	open := func(s store.Store, body *intake.Body, maxEvents int) http.Handler {
		service := newService(s)
		service.Body, service.MaxEvents = body, maxEvents
		return routed(service)
	}
	nested := func(levels int) string {
		return event("e1", `,"metadata":`+strings.Repeat(`{"a":`, levels-1)+"{}"+strings.Repeat("}", levels-1))
	}
	alone := func(members string) string { return event("e1", members) }
	listed := func(body string) string { return `{"events":[` + body + `]}` }
	return map[string]intaketest.Attacked{
		"events": {
			New: open, Path: eventsPath, Event: alone, Nested: nested,
			Batch: func(n int) string { return strings.Repeat(event("e1", "")+"\n", n) },
		},
		"track": {New: open, Path: trackPath, Event: alone, Nested: nested},
		"telemetry": {
			New: open, Path: telemetryPath,
			Event:  func(members string) string { return listed(alone(members)) },
			Nested: func(levels int) string { return listed(nested(levels)) },
			Batch: func(n int) string {
				return listed(strings.Repeat(event("e1", "")+",", n-1) + event("e1", ""))
			},
		},
	}
}

func TestR20(t *testing.T) {
	for name, a := range attacked() {
		t.Run(name, a.Boundaries)
	}
	t.Run("texts of 256 bytes are stored, of 257 refused", func(t *testing.T) {
		for _, member := range []string{"event_id", "event_type", "event_name", "actor_id"} {
			for n, stored := range map[int]bool{255: true, 256: true, 257: false} {
				body := event("e1", "")
				long := `"` + member + `":"` + strings.Repeat("x", n) + `"`
				for _, own := range []string{`"event_id":"e1"`, `"event_type":"log"`, `"event_name":"a"`} {
					if strings.HasPrefix(own, `"`+member) {
						body = strings.Replace(body, own, long, 1)
					}
				}
				if !strings.Contains(body, long) {
					body = event("e1", ","+long)
				}
				got := parse(t, post(newService(intaketest.Nowhere{}), trackPath, body)).Results[0]
				if (got.Status == "stored") != stored || !stored && (got.Reason != "text_too_long" || got.Field != member) {
					t.Errorf("%s of %d bytes: %+v", member, n, got)
				}
			}
		}
	})
	t.Run("a dataset of 128 bytes is taken", func(t *testing.T) {
		for n, status := range map[int]int{127: 200, 128: 200, 129: 400} {
			if w := post(newService(intaketest.Nowhere{}), "/events/"+strings.Repeat("d", n), event("e1", "")); w.Code != status {
				t.Errorf("%d bytes: status %d", n, w.Code)
			}
		}
	})
}

func TestR22(t *testing.T) {
	for name, a := range attacked() {
		t.Run(name, a.Torture)
	}
}

func TestR24(t *testing.T) {
	for name, a := range attacked() {
		t.Run(name, a.Bombs)
	}
}

func TestWhatTakesMoreMemoryThanItIsLongIsCharged(t *testing.T) {
	for name, a := range attacked() {
		t.Run(name, a.Memory)
	}
}

// TestR28 spoofs what only the gateway says.
func TestR28(t *testing.T) {
	spoof := `,"ingested_at":"1999-01-01T00:00:00Z","caller":"root","protocol":"grpc","instance":"evil",` +
		`"_eventLog":{"user":"root"},"_dataset":"theirs","\u005feventLog\u0032":1,"metadata":{"\u005feventLog":{"user":"root"}}`
	for name, a := range attacked() {
		s := &intaketest.Recorder{}
		a.Post(a.New(s, &intake.Body{}, 0), a.Event(spoof))
		if len(s.Records()) != 1 {
			t.Fatalf("%s: %d records", name, len(s.Records()))
		}
		r := s.Records()[0]
		if r.Caller != "anonymous" || r.Protocol != "activity" || r.Instance != "test" || !r.Received.Equal(intaketest.Noon) || r.Scope != "" {
			t.Errorf("%s believes the caller: %+v", name, r)
		}
		want := `{"_dataset":"theirs","\u005feventLog\u0032":1}` // where there is no dataset, the name means nothing
		if name == "events" {
			want = `{"\u005feventLog\u0032":1,"_dataset":"prod"}`
		}
		if got := string(r.Event.Metadata); got != want {
			t.Errorf("%s keeps %s, want %s", name, got, want)
		}
	}
}
