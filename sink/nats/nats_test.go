package nats_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/nats"
	"daybook.dev/sink/sinktest"
)

// tooLarge makes an event that no server takes by default.
func tooLarge(e daybook.Event) daybook.Event {
	e.Metadata = fmt.Appendf(nil, `{"text":"%s"}`, bytes.Repeat([]byte("x"), 2<<20))
	return e
}

func TestSink(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		srv := start(t)
		door := newDoor(t, srv.Addr().String())
		return sinktest.Target{
			Sink: open(t, door.url(), func(config *nats.Config) { config.Timeout = time.Minute }),
			Arrived: func(t *testing.T, n int) []sinktest.Arrival {
				var arrivals []sinktest.Arrival
				for _, m := range stored(t, srv.ClientURL(), subject, n) {
					arrivals = append(arrivals, sinktest.FromFlat(t, m.Data()))
				}
				return arrivals
			},
			Break: door.shut,
			Hang:  door.stall,
			Mend:  door.open,
		}
	}, sinktest.Traits{Ordered: true, Deduplicates: true, Partial: true, ExactNumbers: true, Bad: tooLarge})
}

// ids returns the event ids of what the stream has.
func ids(t testing.TB, url string, n int) []string {
	t.Helper()
	var ids []string
	for _, m := range stored(t, url, subject, n) {
		_, rest, _ := strings.Cut(string(m.Data()), `"event_id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		ids = append(ids, id)
	}
	return ids
}

func TestMessageIDs(t *testing.T) {
	scoped := func(id, scope string) daybook.Event {
		return daybook.Event{ID: id, Name: "a", Origin: &daybook.Origin{Scope: scope}}
	}
	const uuid = "0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c0001"
	srv := start(t)
	s := open(t, srv.ClientURL())
	some := []daybook.Event{
		{ID: "1", Name: "a"},
		{ID: "1", Name: "a"}, // one event
		scoped("1", "checkout"), scoped("1", "search"),
		scoped("1x", "checkout"), scoped("x", "checkout1"),
		scoped(uuid, "checkout"), scoped(uuid, "search"), // a UUID is unique by good manners only
	}
	if err := s.Write(t.Context(), some); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range stored(t, srv.ClientURL(), subject, 7) {
		id := m.Headers().Get(jetstream.MsgIDHeader)
		if len(id) != 32 || seen[id] {
			t.Errorf("message id %q is not one of its own", id)
		}
		seen[id] = true
	}
	if len(seen) != 7 {
		t.Errorf("%d messages are stored, want 7", len(seen))
	}
}

func TestSubjects(t *testing.T) {
	t.Run("the type becomes a token", func(t *testing.T) {
		srv := start(t)
		s := open(t, srv.ClientURL(), func(config *nats.Config) { config.Subject = "events.{event_type}.v1" })
		var some []daybook.Event
		for i, kind := range []daybook.Type{"metric", "", "two words", "a.b", "*", ">", "größe", "line\nbreak"} {
			some = append(some, daybook.Event{ID: fmt.Sprint(i), Name: "a", Type: kind})
		}
		if err := s.Write(t.Context(), some); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range stored(t, srv.ClientURL(), "events.*.v1", len(some)) {
			got = append(got, m.Subject())
		}
		want := []string{
			"events.metric.v1", "events.none.v1", "events.two_words.v1", "events.a_b.v1",
			"events._.v1", "events._.v1", "events.größe.v1", "events.line_break.v1",
		}
		if !slices.Equal(got, want) {
			t.Errorf("subjects: %q\nwant:     %q", got, want)
		}
	})
	for _, bad := range []string{"", ".", "events.", "events..x", "a b", "events.*", "events.>", "events.x{event_type}", "{event_type}.{event_type}", "$JS.API.X"} {
		t.Run(fmt.Sprintf("%q is none", bad), func(t *testing.T) {
			_, err := nats.Open(t.Context(), nats.Config{URLs: []string{"nats://127.0.0.1:1"}, Subject: bad, Unchecked: true})
			if e, ok := errors.AsType[*daybook.Error](err); !ok || e.Code != daybook.Invalid || e.Field != "subject" {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// labelled writes an event's name, and its type as an attribute. It cannot
// write events called "bad".
type labelled struct{}

func (labelled) Encode(dst []byte, e *daybook.Event) (sink.Message, error) {
	if e.Name == "bad" {
		return sink.Message{}, &daybook.Error{Code: daybook.Invalid, Reason: "bad"}
	}
	return sink.Message{Value: append(dst, e.Name...), Attributes: map[string]string{"type": string(e.Type)}}, nil
}

func TestEncodings(t *testing.T) {
	srv := start(t)
	s := open(t, srv.ClientURL(), func(config *nats.Config) { config.Encoding = labelled{} })
	err := s.Write(t.Context(), []daybook.Event{{ID: "1", Name: "a", Type: "x\r\nNats-Rollup: all"}, {ID: "2", Name: "bad"}, {Name: "c"}, {Name: "c"}})
	t.Run("what cannot be written is named, and the others arrive", func(t *testing.T) {
		partial, ok := errors.AsType[*daybook.PartialError](err)
		if !ok || len(partial.Failed) != 1 || partial.Failed[0].ID != "2" || partial.Failed[0].Status != daybook.Refused {
			t.Errorf("error is %v", err)
		}
	})
	messages := stored(t, srv.ClientURL(), subject, 3)
	t.Run("events without an id are not taken for each other", func(t *testing.T) {
		if len(messages) != 3 {
			t.Errorf("%d are stored, want 3", len(messages))
		}
	})
	t.Run("attributes become headers, and no others", func(t *testing.T) {
		got := messages[0].Headers()
		if !strings.HasPrefix(got.Get("type"), "x") || got.Get("Nats-Rollup") != "" || len(got) != 2 {
			t.Errorf("headers: %v", got)
		}
	})
}

func TestCounts(t *testing.T) {
	srv := start(t)
	s := open(t, srv.ClientURL())
	if err := s.Write(t.Context(), events(3)); err != nil {
		t.Fatal(err)
	}
	some := events(3)
	some[1] = tooLarge(some[1])
	if err := s.Write(t.Context(), some); err == nil {
		t.Error("no error")
	}
	if got, want := s.Counts(), (sink.Counts{Delivered: 5, Failed: 1}); got != want {
		t.Errorf("counts: %+v, want %+v", got, want)
	}
}

func TestALargeWriteGoesInParts(t *testing.T) {
	srv := start(t)
	s := open(t, srv.ClientURL(), func(config *nats.Config) { config.MaxPending = 7 })
	if err := s.Write(t.Context(), events(100)); err != nil {
		t.Fatal(err)
	}
	got := ids(t, srv.ClientURL(), 100)
	for i, id := range got {
		if id != fmt.Sprint("e", i) {
			t.Fatalf("event %d is %s", i, id)
		}
	}
}
