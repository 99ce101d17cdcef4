package pubsub_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/pubsub"
	"daybook.dev/sink/sinktest"
)

// tooLarge makes an event that Pub/Sub does not take.
func tooLarge(e daybook.Event) daybook.Event {
	e.Metadata = fmt.Appendf(nil, `{"text":"%s"}`, bytes.Repeat([]byte("x"), 10_000_000))
	return e
}

var traits = sinktest.Traits{Ordered: true, Partial: true, ExactNumbers: true, Bad: tooLarge}

func TestSink(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		srv := start(t)
		return sinktest.Target{
			Sink: srv.open(t),
			Arrived: func(t *testing.T, _ int) []sinktest.Arrival {
				var arrivals []sinktest.Arrival
				for _, m := range srv.Messages() {
					arrivals = append(arrivals, sinktest.FromFlat(t, m.Data))
				}
				return arrivals
			},
			Break: func() { srv.answerWith(refuse(status.Error(codes.Unavailable, "broken"))) },
			Hang:  func() { srv.answerWith(hang) },
			Mend:  func() { srv.answerWith(nil) },
		}
	}, traits)
}

// labelled writes an event's name and its type as an attribute. It cannot write
// events called "bad".
type labelled struct{}

func (labelled) Encode(dst []byte, e *daybook.Event) (sink.Message, error) {
	if e.Name == "bad" {
		return sink.Message{}, &daybook.Error{Code: daybook.Invalid, Reason: "bad"}
	}
	return sink.Message{Value: append(dst, e.Name...), Attributes: map[string]string{"type": string(e.Type)}}, nil
}

func TestAttributes(t *testing.T) {
	attributes := func(t *testing.T, encoding sink.Encoding, e daybook.Event) map[string]string {
		srv := start(t)
		if err := srv.open(t, func(c *pubsub.Config) { c.Encoding = encoding }).Write(t.Context(), []daybook.Event{e}); err != nil {
			t.Fatal(err)
		}
		return srv.Messages()[0].Attributes
	}
	e := daybook.Event{ID: "1", Name: "a", Type: "metric"}
	t.Run("the event's id is one where the encoding sets none", func(t *testing.T) {
		if got := attributes(t, sink.Flat{}, e); !maps.Equal(got, map[string]string{"event_id": "1"}) {
			t.Errorf("attributes: %v", got)
		}
	})
	t.Run("those of an encoding are all there are", func(t *testing.T) {
		if got := attributes(t, labelled{}, e); !maps.Equal(got, map[string]string{"type": "metric"}) {
			t.Errorf("attributes: %v", got)
		}
	})
}

func TestWhatCannotBeWrittenIsNamedAndTheOthersArrive(t *testing.T) {
	srv := start(t)
	s := srv.open(t, func(c *pubsub.Config) { c.Encoding = labelled{} })
	long := string(bytes.Repeat([]byte("x"), 1025))
	err := s.Write(t.Context(), []daybook.Event{{ID: "1", Name: "a"}, {ID: "2", Name: "bad"}, {ID: "3", Name: "c", Type: daybook.Type(long)}, {ID: "4", Name: "d"}})
	if got := refused(err); !slices.Equal(got, []string{"2", "3"}) {
		t.Errorf("refused: %v (%v)", got, err)
	}
	sinktest.CheckText(t, err, long)
	if got := len(srv.Messages()); got != 2 {
		t.Errorf("%d messages arrived, want 2", got)
	}
	if got, want := s.Counts(), (sink.Counts{Delivered: 2, Failed: 2}); got != want {
		t.Errorf("counts: %+v, want %+v", got, want)
	}
}

// refused returns the ids that err names as refused for good.
func refused(err error) []string {
	partial, ok := errors.AsType[*daybook.PartialError](err)
	if !ok {
		return nil
	}
	var ids []string
	for _, o := range partial.Failed {
		if o.Status == daybook.Refused && sinktest.Permanent(o.Err) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

func TestOrderingKeys(t *testing.T) {
	srv := start(t)
	s := srv.open(t, func(c *pubsub.Config) { c.OrderingKey = pubsub.OrderingActor })
	const actors = 40
	some := events(200)
	for i := range some {
		if i%actors > 0 { // the first is nobody
			some[i].Actor = fmt.Sprint("actor-", i%actors)
		}
	}
	if err := s.Write(t.Context(), some); err != nil {
		t.Fatal(err)
	}
	for _, r := range srv.seen() {
		for _, m := range r.GetMessages() {
			if m.GetOrderingKey() != r.GetMessages()[0].GetOrderingKey() {
				t.Fatalf("a request has keys %q and %q", r.GetMessages()[0].GetOrderingKey(), m.GetOrderingKey())
			}
		}
	}
	got := map[string][]string{}
	for _, m := range srv.Messages() {
		got[m.OrderingKey] = append(got[m.OrderingKey], m.Attributes["event_id"])
	}
	want := map[string][]string{}
	for _, e := range some {
		want[e.Actor] = append(want[e.Actor], e.ID)
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("by key: %v\nwant:   %v", got, want)
	}
}

func TestRequestsAreAsLargeAsPubSubTakesThem(t *testing.T) {
	srv := start(t) // refuses larger ones, as Pub/Sub does
	s := srv.open(t)
	sizes := func() (sizes []int) {
		for _, r := range srv.seen() {
			sizes = append(sizes, len(r.GetMessages()))
		}
		return sizes
	}
	if err := s.Write(t.Context(), events(2500)); err != nil {
		t.Fatal(err)
	}
	if got := sizes(); !slices.Equal(got, []int{1000, 1000, 500}) {
		t.Errorf("messages in requests: %v", got)
	}
	some := events(5)
	for i, size := range []int{6_000_000, 3_000_000, 3_000_000, 9_990_000, 1} {
		some[i].Metadata = fmt.Appendf(nil, `{"text":"%s"}`, bytes.Repeat([]byte("x"), size))
	}
	if err := s.Write(t.Context(), some); err != nil {
		t.Fatal(err)
	}
	if got := sizes(); !slices.Equal(got, []int{2, 1, 2}) {
		t.Errorf("messages in requests: %v", got)
	}
}

func TestMissingAndCreate(t *testing.T) {
	srv := start(t)
	s := srv.openOnly(t)
	missing := func(want ...string) {
		t.Helper()
		if got, err := s.Missing(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Errorf("missing: %q, %v; want %q", got, err, want)
		}
	}
	missing("gcloud pubsub topics create events --project=project")
	want(t, s.Write(t.Context(), events(1)), daybook.Unimplemented, "topic_missing")
	for range 2 {
		if err := s.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	missing()
}

// want fails the test unless err has that code and reason.
func want(t *testing.T, err error, code daybook.Code, reason string) {
	t.Helper()
	e, ok := errors.AsType[*daybook.Error](err)
	if !ok || e.Code != code || e.Reason != reason || e.Where != "pubsub" {
		t.Errorf("error is %v (%v), want %v, %s", err, daybook.CodeOf(err), code, reason)
	}
}
