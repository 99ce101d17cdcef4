package webhook_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strconv"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/webhook"
)

// write writes events once and returns the requests that came of it.
func write(t *testing.T, change func(*webhook.Config), events ...daybook.Event) []received {
	t.Helper()
	c := webhook.Config{Form: webhook.Array, Header: map[string]string{}}
	if change != nil {
		change(&c)
	}
	r := newReceiver(t, c.Form)
	r.blind = c.Encoding != nil
	if err := open(t, r.URL, change).Write(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	return r.received()
}

func form(f webhook.Form) func(*webhook.Config) { return func(c *webhook.Config) { c.Form = f } }

func TestBodies(t *testing.T) {
	a, b := daybook.Event{ID: "a", Name: "n"}, daybook.Event{ID: "b", Name: "n"}
	const flatA, flatB = `{"event_id":"a","event_time":"","event_type":"","event_name":"n"}`, `{"event_id":"b","event_time":"","event_type":"","event_name":"n"}`
	const cloudA, cloudB = `{"specversion":"1.0","id":"a","source":"daybook","type":"n"}`, `{"specversion":"1.0","id":"b","source":"daybook","type":"n"}`
	clouds := func(f webhook.Form) func(*webhook.Config) {
		return func(c *webhook.Config) { c.Form, c.Encoding = f, sink.CloudEvents{} }
	}
	for _, c := range []struct {
		name, contentType string
		change            func(*webhook.Config)
		want              []string
	}{
		{"an array", "application/json", form(webhook.Array), []string{"[" + flatA + "," + flatB + "]"}},
		{"lines", "application/x-ndjson", form(webhook.Lines), []string{flatA + "\n" + flatB + "\n"}},
		{"one by one", "application/json", form(webhook.Single), []string{flatA, flatB}},
		{"CloudEvents", "application/cloudevents-batch+json", clouds(webhook.Array), []string{"[" + cloudA + "," + cloudB + "]"}},
		{"CloudEvents one by one", "application/cloudevents+json", clouds(webhook.Single), []string{cloudA, cloudB}},
		{"a Content-Type that is configured", "text/plain", func(c *webhook.Config) { c.Header["content-type"] = "text/plain" }, []string{"[" + flatA + "," + flatB + "]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			requests := write(t, c.change, a, b)
			if len(requests) != len(c.want) {
				t.Fatalf("%d requests, want %d", len(requests), len(c.want))
			}
			for i, r := range requests {
				if string(r.body) != c.want[i] || r.header.Get("Content-Type") != c.contentType {
					t.Errorf("got %s %s\nwant %s %s", r.header.Get("Content-Type"), r.body, c.contentType, c.want[i])
				}
			}
		})
	}
	t.Run("gzipped", func(t *testing.T) {
		r := write(t, func(c *webhook.Config) { c.Gzip = true }, a, b)[0]
		z, err := gzip.NewReader(bytes.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(z); err != nil || string(text) != "["+flatA+","+flatB+"]" || r.header.Get("Content-Encoding") != "gzip" {
			t.Errorf("got %s %s, %v", r.header.Get("Content-Encoding"), text, err)
		}
	})
	t.Run("events that cannot be written leave no trace", func(t *testing.T) {
		for f, want := range map[webhook.Form]string{webhook.Array: "[" + flatA + "," + flatB + "]", webhook.Lines: flatA + "\n" + flatB + "\n"} {
			r := newReceiver(t, f)
			bad := daybook.Event{ID: "bad"}
			err := open(t, r.URL, form(f)).Write(t.Context(), []daybook.Event{bad, a, bad, b, bad})
			if n := len(failed(t, err)); n != 3 || string(r.received()[0].body) != want {
				t.Errorf("%s: %d failed, got %s\nwant %s", f, n, r.received()[0].body, want)
			}
		}
	})
	t.Run("without events that can be written there is no request", func(t *testing.T) {
		r := newReceiver(t, webhook.Array)
		err := open(t, r.URL, nil).Write(t.Context(), []daybook.Event{{ID: "a"}})
		if !sink.Permanent(err) || len(r.received()) != 0 {
			t.Errorf("%d requests, error %v", len(r.received()), err)
		}
	})
}

// spread is an encoding that breaks lines.
type spread struct{}

func (spread) Encode(dst []byte, _ *daybook.Event) (sink.Message, error) {
	return sink.Message{Value: append(dst, "{\n}"...)}, nil
}

func TestAnEventStaysOnItsLine(t *testing.T) {
	r := newReceiver(t, webhook.Lines)
	s := open(t, r.URL, func(c *webhook.Config) { c.Form, c.Encoding = webhook.Lines, spread{} })
	if err := s.Write(t.Context(), sinktest.Events("e", 1)); daybook.CodeOf(err) != daybook.Invalid {
		t.Errorf("error is %v, want invalid", err)
	}
}

func TestTheIDOfARequestIsTheSameAtEveryAttempt(t *testing.T) {
	const uuid = "0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c0001"
	id := func(f webhook.Form, events ...daybook.Event) string {
		t.Helper()
		return write(t, form(f), events...)[0].header.Get("Webhook-Id")
	}
	other := sinktest.Event("e")
	other.Origin = &daybook.Origin{Scope: "search"}

	if got := id(webhook.Single, sinktest.Event(uuid)); got != uuid {
		t.Errorf("a single event's is %s, want its own %s", got, uuid)
	}
	for _, f := range []webhook.Form{webhook.Array, webhook.Lines, webhook.Single} {
		first := id(f, sinktest.Event("e"))
		if again := id(f, sinktest.Event("e")); first != again {
			t.Errorf("%s: %s, and at the next attempt %s", f, first, again)
		}
		if another := id(f, other); first == another {
			t.Errorf("%s: the same for the event of another scope", f)
		}
	}
	pair := sinktest.Events("e", 2)
	if id(webhook.Array, pair...) == id(webhook.Array, pair[0]) || id(webhook.Array, pair...) == id(webhook.Array, pair[1], pair[0]) {
		t.Error("the same for other events")
	}
}

func TestTheTimestampIsThatOfTheAttempt(t *testing.T) {
	before := time.Now().Unix()
	text := write(t, nil, sinktest.Event("e"))[0].header.Get("Webhook-Timestamp")
	if seconds, err := strconv.ParseInt(text, 10, 64); err != nil || seconds < before || seconds > time.Now().Unix() {
		t.Errorf("timestamp is %s", text)
	}
}

func TestSingleStopsAtAnErrorThatMayPass(t *testing.T) {
	r := newReceiver(t, webhook.Single)
	s := open(t, r.URL, form(webhook.Single))
	events := sinktest.Events("e", 4)
	events[1] = poisonous(events[1])
	r.breakAfter(2)
	err := s.Write(t.Context(), events)
	r.mend()
	outcomes := failed(t, err)
	if len(outcomes) != 3 || outcomes[0].ID != "e-1" || outcomes[1].ID != "e-2" || outcomes[2].ID != "e-3" {
		t.Fatalf("failed: %+v", outcomes)
	}
	if outcomes[0].Status != daybook.Refused || outcomes[1].Status != daybook.Failed || outcomes[2].Status != daybook.Failed {
		t.Errorf("failed: %+v", outcomes)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tries != 3 {
		t.Errorf("%d requests were made, want 3: the one that failed is the last", r.tries)
	}
}

func TestSingleSaysWhenNothingWasTaken(t *testing.T) {
	r := newReceiver(t, webhook.Single)
	r.breakIt()
	err := open(t, r.URL, form(webhook.Single)).Write(t.Context(), sinktest.Events("e", 3))
	if _, partial := errors.AsType[*daybook.PartialError](err); partial || daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("error is %v, want one of the whole Write", err)
	}
}
