package cloudevents_test

import (
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/cloudevents"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/store"
)

// attributes are the headers of an event in binary mode.
var attributes = []string{"Ce-Specversion", "1.0", "Ce-Id", "e1", "Ce-Source", "/orders", "Ce-Type", "order.paid", "Content-Type", "application/json"}

// attacked are the modes as tests attack them.
func attacked() map[string]intaketest.Attacked {
	open := func(s store.Store, body *intake.Body, maxEvents int) http.Handler {
		h := newHandler(s)
		h.Body, h.MaxEvents = body, maxEvents
		return h
	}
	levels := func(n int) string { return strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1) }
	listed := func(body string) string { return "[" + body + "]" }
	data := func(members string) string { return event(`,"data":{"first":1` + members + `}`) }
	return map[string]intaketest.Attacked{
		"structured": {
			New: open, Path: cloudevents.Path, Headers: []string{"Content-Type", asJSON},
			Event: data, Nested: func(n int) string { return event(`,"data":` + levels(n)) },
		},
		"structured, among the attributes": {
			New: open, Path: cloudevents.Path, Headers: []string{"Content-Type", asJSON},
			Event: event, Nested: func(n int) string { return event(`,"x":` + levels(n-2)) },
		},
		"batched": {
			New: open, Path: cloudevents.Path, Headers: []string{"Content-Type", "application/cloudevents-batch+json"},
			Event:  func(members string) string { return listed(data(members)) },
			Nested: func(n int) string { return listed(event(`,"data":` + levels(n))) },
			Batch:  func(n int) string { return listed(strings.Repeat(event("")+",", n-1) + event("")) },
		},
		"binary": {
			New: open, Path: cloudevents.Path, Headers: attributes,
			Event: func(members string) string { return `{"first":1` + members + `}` }, Nested: levels, Data: true,
		},
	}
}

func TestR20(t *testing.T) {
	for name, a := range attacked() {
		t.Run(name, a.Boundaries)
	}
	t.Run("an event of 1 MiB is stored, one byte more refused", func(t *testing.T) {
		const limit, around = 1 << 20, len("e1") + len("order.paid") + len(`{"x":"","_cloudEvent":{"source":"/orders"}}`)
		for n, status := range map[int]string{limit - 1: "stored", limit: "stored", limit + 1: "refused"} {
			w := post(newHandler(intaketest.Nowhere{}), event(`,"data":{"x":"`+strings.Repeat("y", n-around)+`"}`), "Content-Type", asJSON)
			if got := parse(t, w).Results[0]; got.Status != status || status == "refused" && got.Reason != "event_too_large" {
				t.Errorf("%d bytes: %+v", n, got)
			}
		}
	})
	t.Run("an id and a type of 256 bytes are stored, of 257 refused", func(t *testing.T) {
		for _, replaced := range []string{"e1", "order.paid"} {
			for n, status := range map[int]string{255: "stored", 256: "stored", 257: "refused"} {
				w := post(newHandler(intaketest.Nowhere{}), strings.Replace(event(""), replaced, strings.Repeat("x", n), 1), "Content-Type", asJSON)
				if got := parse(t, w).Results[0]; got.Status != status || status == "refused" && got.Reason != "text_too_long" {
					t.Errorf("%s of %d bytes: %+v", replaced, n, got)
				}
			}
		}
	})
	t.Run("a subject of 256 bytes is an actor, a longer one is kept all the same", func(t *testing.T) {
		for n, actor := range map[int]bool{255: true, 256: true, 257: false} {
			s := &intaketest.Recorder{}
			subject := strings.Repeat("s", n)
			post(newHandler(s), event(`,"subject":"`+subject+`"`), "Content-Type", asJSON)
			e := s.Records()[0].Event
			if (e.Actor == subject) != actor || strings.Contains(string(e.Metadata), subject) == actor {
				t.Errorf("%d bytes: actor %q, metadata %s", n, e.Actor, e.Metadata)
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
	for _, name := range slices.Sorted(maps.Keys(attacked())) {
		t.Run(name, attacked()[name].Bombs)
	}
}

func TestWhatTakesMoreMemoryThanItIsLongIsCharged(t *testing.T) {
	for name, a := range attacked() {
		t.Run(name, a.Memory)
	}
}

// TestAttributesAreNotKeptForNothing sends short attributes by the million: the
// gateway must not hold many times what was sent and paid for.
func TestAttributesAreNotKeptForNothing(t *testing.T) {
	var different strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&different, `,"%x":1`, i)
	}
	for name, c := range map[string]struct {
		attributes string
		left       int64 // of the budget
		reason     string
	}{
		"of one name, which is a flaw": {strings.Repeat(`,"a":1`, 1<<20), 1 << 30, "duplicate_name"},
		"of names that all differ":     {different.String(), 32 << 20, "memory_exhausted"},
	} {
		t.Run(name, func(t *testing.T) {
			budget := intake.NewBudget(2 << 30)
			others := budget.Lease()
			if err := others.Grow(2<<30 - c.left); err != nil {
				t.Fatal(err)
			}
			body := event(c.attributes)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			a := attacked()["structured"]
			w := a.Post(a.New(intaketest.Nowhere{}, &intake.Body{Budget: budget}, 0), body)
			runtime.ReadMemStats(&after)
			if reason := intaketest.ReasonOf(t, w); reason != c.reason {
				t.Errorf("status %d, reason %q, want %q", w.Code, reason, c.reason)
			}
			if most, grown := uint64(24*len(body)), after.TotalAlloc-before.TotalAlloc; grown > most {
				t.Errorf("%d bytes made us allocate %d, more than %d", len(body), grown, most)
			}
			if used := budget.Used(); used != 2<<30-c.left {
				t.Errorf("%d bytes are still held", used-(2<<30-c.left))
			}
		})
	}
}

// TestR28 spoofs what only the gateway says.
func TestR28(t *testing.T) {
	data := `{"ingested_at":"1999-01-01T00:00:00Z","_eventLog":{"user":"root"},"\u005feventLog":2}`
	structured := event(`,"caller":"root","protocol":"grpc","instance":"evil","_eventLog":{"user":"root"},"data":` + strings.Replace(data, `,"\u005feventLog":2`, "", 1))
	for name, send := range map[string]func(h http.Handler){
		"structured": func(h http.Handler) { post(h, structured, "Content-Type", asJSON) },
		"binary": func(h http.Handler) {
			post(h, strings.Replace(data, `,"\u005feventLog":2`, "", 1), append(slices.Clone(attributes), "Ce-Caller", "root", "Ce-Protocol", "grpc", "Ce-Instance", "evil")...)
		},
	} {
		s := &intaketest.Recorder{}
		send(newHandler(s))
		if len(s.Records()) != 1 {
			t.Fatalf("%s: %d records", name, len(s.Records()))
		}
		r := s.Records()[0]
		if r.Caller != "anonymous" || r.Protocol != "cloudevents" || r.Instance != "test" || !r.Received.Equal(intaketest.Noon) || r.Scope != "anonymous//orders" {
			t.Errorf("%s believes the caller: %+v", name, r)
		}
		if m := string(r.Event.Metadata); strings.HasPrefix(m, `{"_eventLog"`) || strings.Contains(m, `,"_eventLog":{"user":"root"},"_cloudEvent"`) {
			t.Errorf("%s keeps what is reserved: %s", name, m)
		}
	}
}
