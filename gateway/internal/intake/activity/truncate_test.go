package activity_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/intake/intaketest"
)

const mebi = 1 << 20

// size is how many bytes the event of one member x takes, beside its text.
const size = len("e1") + len("log") + len("a") + len(`{"x":""}`)

func TestAnEventThatIsTooLargeIsStoredWithANoteInsteadOfItsAttributes(t *testing.T) {
	for n, truncated := range map[int]bool{mebi - 1: false, mebi: false, mebi + 1: true, 5 * mebi: true} {
		s := &intaketest.Recorder{}
		w := post(newService(s), trackPath, event("e1", `,"x":"`+strings.Repeat("y", n-size)+`"`))
		if got := parse(t, w); w.Code != 200 || got.Results[0].Status != "stored" {
			t.Errorf("%d bytes: %d %+v", n, w.Code, got)
			continue
		}
		got := string(s.Records()[0].Event.Metadata)
		if want := `{"truncated":true,"reason":"the event was over 1048576 bytes"}`; (got == want) != truncated {
			t.Errorf("%d bytes: the metadata is %.100s", n, got)
		}
	}
}

func TestATruncatedEventKeepsWhatTellsWhatHappenedToWhom(t *testing.T) {
	s := &intaketest.Recorder{}
	large := strings.Repeat("y", mebi)
	post(newService(s), eventsPath, event("e1", `,"user_id":"ann","idempotency_key":"k","sample_rate":0.5,"_dataset":"mine","x":"`+large+`"`)+"\n"+event("e2", `,"n":1`))
	if len(s.Records()) != 2 {
		t.Fatalf("%d records", len(s.Records()))
	}
	e := s.Records()[0].Event
	if want := `{"truncated":true,"reason":"the event was over 1048576 bytes","_dataset":"prod"}`; string(e.Metadata) != want {
		t.Errorf("metadata %.200s", e.Metadata)
	}
	if e.Actor != "ann" || e.IdempotencyKey != "k" || e.SampleRate != 0.5 || e.Type != "log" || e.Name != "a" {
		t.Errorf("the rest is %q %q %v %q %q", e.Actor, e.IdempotencyKey, e.SampleRate, e.Type, e.Name)
	}
	if got := string(s.Records()[1].Event.Metadata); got != `{"n":1,"_dataset":"prod"}` {
		t.Errorf("its neighbour has %s", got)
	}
}

func TestAnEventWithMoreNamesThanAnyCanHoldIsTruncated(t *testing.T) {
	var names strings.Builder
	for i := range 300_000 {
		fmt.Fprintf(&names, `,"%x":0`, i)
	}
	s := &intaketest.Recorder{}
	if w := post(newService(s), trackPath, event("e1", names.String())); w.Code != 200 || !strings.HasPrefix(string(s.Records()[0].Event.Metadata), `{"truncated":true`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestTextsThatAreTooLongAreRefusedHoweverLargeTheEventIs(t *testing.T) {
	s := &intaketest.Recorder{}
	w := post(newService(s), trackPath, event(strings.Repeat("i", mebi), `,"x":1`))
	if got := parse(t, w); w.Code != 400 || got.Results[0].Reason != "text_too_long" {
		t.Errorf("%d %.200v", w.Code, got)
	}
}

func TestTheLimitIsTheGateways(t *testing.T) {
	s := &intaketest.Recorder{}
	service := newService(s)
	service.EventBytes = 100
	post(service, trackPath, event("e1", `,"x":"`+strings.Repeat("y", 101-size)+`"`))
	post(service, trackPath, event("e2", `,"x":"`+strings.Repeat("y", 100-size)+`"`))
	if first, second := string(s.Records()[0].Event.Metadata), string(s.Records()[1].Event.Metadata); !strings.Contains(first, "over 100 bytes") || strings.Contains(second, "truncated") {
		t.Errorf("%s, %s", first, second)
	}
}

// What is replaced is counted where outcomes are: this is what counts it.
func TestABatchSaysWhichEventsWereTruncated(t *testing.T) {
	s := &intaketest.Recorder{}
	service := newService(s)
	var truncated []bool
	accepts := service.Accept
	service.Accept = func(ctx context.Context, b accept.Batch) []daybook.Outcome {
		for i := range b.Events {
			truncated = append(truncated, b.Events[i].Truncated)
		}
		return accepts(ctx, b)
	}
	post(service, eventsPath, event("e1", "")+"\n"+event("e2", `,"x":"`+strings.Repeat("y", mebi)+`"`))
	if len(truncated) != 2 || truncated[0] || !truncated[1] {
		t.Errorf("truncated %v", truncated)
	}
}
