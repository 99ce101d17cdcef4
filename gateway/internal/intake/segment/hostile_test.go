package segment_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/store"
)

func message(members string) string {
	return `{"type":"track","messageId":"m1","event":"a"` + members + `}`
}

// attacked are the routes as tests attack them.
func attacked() map[string]intaketest.Attacked {
	open := func(s store.Store, body *intake.Body, maxEvents int) http.Handler {
		h := newHandler(s)
		h.Body, h.MaxEvents = body, maxEvents
		return h
	}
	batch := func(messages string) string { return `{"batch":[` + messages + `]}` }
	nested := func(n int) string {
		return message(`,"x":` + strings.Repeat(`{"a":`, n-2) + "{}" + strings.Repeat("}", n-2))
	}
	return map[string]intaketest.Attacked{
		"one message": {New: open, Path: "/v1/track", Event: message, Nested: nested},
		"a batch": {
			New: open, Path: "/v1/batch",
			Event:  func(members string) string { return batch(message(members)) },
			Nested: func(n int) string { return batch(nested(n)) },
			Batch: func(n int) string {
				const one = `{"type":"page"}`
				return batch(strings.Repeat(one+",", n-1) + one)
			},
		},
	}
}

func TestR20(t *testing.T) {
	for name, a := range attacked() {
		t.Run(name, a.Boundaries)
	}
	t.Run("a message of 1 MiB is stored, one byte more refused", func(t *testing.T) {
		const limit, around = 1 << 20, len("m1") + len("a") + len("behavioral") + len(`{"type":"track","x":""}`)
		for n, status := range map[int]int{limit - 1: 200, limit: 200, limit + 1: 400} {
			w := post(newHandler(intaketest.Nowhere{}), "/v1/track", message(`,"x":"`+strings.Repeat("y", n-around)+`"`))
			if w.Code != status || status != 200 && intaketest.ReasonOf(t, w) != "event_too_large" {
				t.Errorf("%d bytes: status %d: %.200s", n, w.Code, w.Body)
			}
		}
	})
	t.Run("texts of 256 bytes are stored, of 257 refused", func(t *testing.T) {
		for _, member := range []string{"messageId", "event", "userId", "anonymousId"} {
			for n, status := range map[int]int{255: 200, 256: 200, 257: 400} {
				body := `{"event":"a","` + member + `":"` + strings.Repeat("x", n) + `"}`
				if member == "event" {
					body = `{"event":"` + strings.Repeat("x", n) + `"}`
				}
				w := post(newHandler(intaketest.Nowhere{}), "/v1/track", body)
				if w.Code != status || status != 200 && intaketest.ReasonOf(t, w) != "text_too_long" {
					t.Errorf("%s of %d bytes: status %d: %.200s", member, n, w.Code, w.Body)
				}
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
	t.Run("a context that each of many messages gets", func(t *testing.T) {
		const one = `{"type":"page"}`
		body := `{"context":{"x":"` + strings.Repeat("y", 1<<20) + `"},"batch":[` + strings.Repeat(one+",", 999) + one + `]}`
		h := newHandler(intaketest.Nowhere{})
		w := post(h, "/v1/batch", body)
		if w.Code != http.StatusRequestEntityTooLarge || intaketest.ReasonOf(t, w) != "body_too_large" {
			t.Errorf("status %d: %.200s", w.Code, w.Body)
		}
		if used := h.Body.Budget.Used(); used != 0 {
			t.Errorf("%d bytes are still held", used)
		}
	})
}

// TestR28 spoofs what only the gateway says.
func TestR28(t *testing.T) {
	spoof := `,"ingested_at":"1999-01-01T00:00:00Z","caller":"root","protocol":"grpc","instance":"evil","_eventLog":{"user":"root"},"receivedAt":"1999-01-01T00:00:00Z"`
	for path, body := range map[string]string{
		"/v1/track": message(spoof),
		"/v1/batch": `{"batch":[` + message(spoof) + `]` + spoof + `}`,
	} {
		s := &intaketest.Recorder{}
		post(newHandler(s), path, body)
		if len(s.Records()) != 1 {
			t.Fatalf("%s: %d records", path, len(s.Records()))
		}
		r := s.Records()[0]
		if r.Caller != "anonymous" || r.Protocol != "segment" || r.Instance != "test" || !r.Received.Equal(intaketest.Noon) || r.Scope != "" {
			t.Errorf("%s: the caller is believed: %+v", path, r)
		}
		if m := string(r.Event.Metadata); strings.Contains(m, "_eventLog") || !strings.Contains(m, `"caller":"root"`) {
			t.Errorf("%s: kept: %s", path, m) // as data the others are names like any other
		}
	}
}

func TestWhatFailedIsToBeSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		fail   error
		status int
	}{
		"full":     {&daybook.Error{Code: daybook.Exhausted, Reason: "disk_full", Message: "the disk is full", RetryAfter: 5 * time.Second}, http.StatusTooManyRequests},
		"stopping": {daybook.ErrClosed, http.StatusServiceUnavailable},
	} {
		w := post(newHandler(&intaketest.Recorder{Fail: c.fail}), "/v1/batch", `{"batch":[`+message("")+`,{"type":"buy"}]}`)
		if w.Code != c.status || w.Header().Get("Retry-After") == "" || !strings.HasPrefix(w.Body.String(), `{"success":false,"durability":"fsync","results":[{"index":0,"event_id":"m1","status":"failed"`) {
			t.Errorf("%s: status %d, Retry-After %q, %s", name, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
}

// FuzzHandler holds what must be true of any body at all, on both kinds of
// routes, and that the answer says success when, and only when, its status does.
func FuzzHandler(f *testing.F) {
	for _, body := range intaketest.Bodies(f, "segment") {
		f.Add(body, true)
		f.Add(body, false)
	}
	f.Fuzz(func(t *testing.T, body []byte, batch bool) {
		path := "/v1/identify"
		if batch {
			path = "/v1/batch"
		}
		s := &intaketest.Recorder{}
		h := newHandler(s)
		h.MaxEvents = 100
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body))))
		intaketest.CheckAnswer(t, w, s)
		if (w.Code == 200) != strings.HasPrefix(w.Body.String(), `{"success":true`) {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		if used := h.Body.Budget.Used(); used != 0 {
			t.Fatalf("%d bytes are still held", used)
		}
	})
}
