package plainhttp_test

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/plainhttp"
)

// FuzzDecode holds what must be true of any body at all: it is decoded without
// a panic, every event is answered, and what reaches the store is strict JSON
// within the limits.
func FuzzDecode(f *testing.F) {
	for _, body := range intaketest.Bodies(f, plainhttp.Protocol) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &intaketest.Recorder{}
		accepter := &accept.Accepter{Admit: &admit.Admitter{}, Store: s}
		before := bytes.Clone(body)
		refused := plainhttp.Decode(body, 100, func(events []admit.Submission) {
			outcomes := accepter.Accept(t.Context(), accept.Batch{Protocol: plainhttp.Protocol, Events: events})
			checkReply(t, outcomes, len(events))
		})
		if !bytes.Equal(body, before) {
			t.Fatal("decoding changed the body")
		}
		if refused != nil && len(s.Records()) > 0 {
			t.Fatalf("refused as a whole (%v), and %d events stored", refused, len(s.Records()))
		}
		for _, r := range s.Records() {
			intaketest.CheckStored(t, &r.Event)
		}
	})
}

func checkReply(t *testing.T, outcomes []daybook.Outcome, events int) {
	t.Helper()
	reply := jsontext.Value(plainhttp.Render(nil, daybook.Fsynced, outcomes, nil))
	if !reply.IsValid() {
		t.Fatalf("the reply is not JSON: %s", reply)
	}
	if len(outcomes) != events {
		t.Fatalf("%d outcomes for %d events", len(outcomes), events)
	}
	for i := range outcomes {
		o := &outcomes[i]
		if (o.Status == daybook.Stored || o.Status == daybook.Duplicate) != (o.Err == nil) || o.Err != nil && o.Reason == "" {
			t.Fatalf("outcome %d makes no sense: %+v", i, o)
		}
	}
}
