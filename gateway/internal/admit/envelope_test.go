package admit_test

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
)

func TestTheEnvelopeIsTheLastMemberOfTheMetadata(t *testing.T) {
	full := admit.Envelope{ForwardToStatsig: true, IdempotencyKey: `k"1`, ActorID: "ann@example.com", PrincipalEmail: "ann@example.com", PrincipalID: "1\n"}
	for name, c := range map[string]struct {
		metadata string
		envelope admit.Envelope
		want     string
	}{
		"no metadata":             {"", admit.Envelope{ForwardToStatsig: true}, `{"_eventLog":{"forwardToStatsig":true}}`},
		"an empty object":         {"{}", admit.Envelope{}, `{"_eventLog":{"forwardToStatsig":false}}`},
		"some metadata":           {`{"a":1e400}`, admit.Envelope{}, `{"a":1e400,"_eventLog":{"forwardToStatsig":false}}`},
		"everything":              {`{"a":{}}`, full, `{"a":{},"_eventLog":{"forwardToStatsig":true,"idempotencyKey":"k\"1","caller":{"actorId":"ann@example.com","principalEmail":"ann@example.com","principalId":"1\n"}}}`},
		"a caller without e-mail": {"", admit.Envelope{ActorID: "1", PrincipalID: "1"}, `{"_eventLog":{"forwardToStatsig":false,"caller":{"actorId":"1","principalId":"1"}}}`},
		"a caller without id":     {"", admit.Envelope{ActorID: "a", PrincipalEmail: "a"}, `{"_eventLog":{"forwardToStatsig":false,"caller":{"actorId":"a","principalEmail":"a"}}}`},
		"a publisher":             {`{"a":1}`, admit.Envelope{Publisher: []byte(`{"requestId":"r"}`), IdempotencyKey: "no part of it"}, `{"a":1,"_eventLog":{"publisher":{"requestId":"r"}}}`},
		"a key that is no text":   {"", admit.Envelope{IdempotencyKey: "a\xffb"}, `{"_eventLog":{"forwardToStatsig":false,"idempotencyKey":"a` + "\uFFFD" + `b"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			sent := []byte(c.metadata)
			record, err := admitted(admitter(), admit.Submission{Event: daybook.Event{Name: "a", Metadata: sent}, Envelope: &c.envelope})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(record.Event.Metadata); got != c.want || !jsontext.Value(got).IsValid() {
				t.Errorf("metadata\n%s, want\n%s", got, c.want)
			}
			if string(sent) != c.metadata {
				t.Errorf("the caller's metadata became %s", sent)
			}
		})
	}
}

func TestTheEnvelopeIsNoPartOfTheDigestNorOfTheLimit(t *testing.T) {
	a := admitter()
	a.Limits.EventBytes = len("a") + len(`{"n":1}`)
	event := daybook.Event{Name: "a", Metadata: []byte(`{"n":1}`)}
	plain, err := admitted(a, admit.Submission{Event: event})
	if err != nil {
		t.Fatal(err)
	}
	enveloped, err := admitted(a, admit.Submission{Event: event, StoreOnly: true, Envelope: &admit.Envelope{ActorID: strings.Repeat("x", 100)}})
	if err != nil {
		t.Fatal(err)
	}
	if plain.Digest != enveloped.Digest {
		t.Error("what the gateway notes about a call changes what the caller sent")
	}
	if plain.StoreOnly || !enveloped.StoreOnly {
		t.Error("the wish not to be forwarded is lost, or made up")
	}
}
