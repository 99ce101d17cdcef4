package plainhttp_test

import (
	"bytes"
	"io"
	"testing"
	"unicode/utf8"

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
	for _, folder := range intaketest.Cases(f, plainhttp.Protocol) {
		body, err := io.ReadAll(intaketest.Request(f, folder).Body)
		if err != nil {
			f.Fatal(err)
		}
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
			checkStored(t, &r.Event)
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

func checkStored(t *testing.T, e *daybook.Event) {
	t.Helper()
	for _, text := range []string{e.ID, e.Name, string(e.Type), e.Actor, e.IdempotencyKey} {
		if !utf8.ValidString(text) || len(text) > 256 {
			t.Fatalf("stored text %q", text)
		}
	}
	if e.Metadata == nil {
		return
	}
	m := jsontext.Value(e.Metadata)
	if !m.IsValid() || m.Kind() != '{' {
		t.Fatalf("stored metadata is no strict JSON object: %s", m)
	}
	compact := bytes.Clone(m)
	if err := (*jsontext.Value)(&compact).Compact(); err != nil || !bytes.Equal(compact, m) {
		t.Fatalf("stored metadata is not compact: %s", m)
	}
	d := jsontext.NewDecoder(bytes.NewReader(m))
	for {
		if _, err := d.ReadToken(); err != nil {
			break
		}
		if d.StackDepth() > 64 {
			t.Fatalf("stored metadata is too deep: %s", m)
		}
	}
}
