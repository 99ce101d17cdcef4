package gatewaytest_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/gatewaytest"
)

// What a gateway publishes as CloudEvents means the same to the next one, in
// both forms that a webhook can have.
func TestWhatIsPublishedAsCloudEventsComesBackAsTheEventItWas(t *testing.T) {
	for _, form := range []string{"array", "single"} {
		t.Run(form, func(t *testing.T) {
			second := gatewaytest.Start(t, "")
			first := gatewaytest.Start(t, "destinations:\n  next: {type: webhook, url: '"+second.URL+"/v1/cloudevents', encoding: cloudevents, form: "+form+", allow_private: true, batch: {age: 10ms}}\n")
			sent := []daybook.Event{
				{ID: "e1", Name: "order-paid", Type: daybook.Behavioral, Actor: "ann", IdempotencyKey: "k-1", SampleRate: 0.25, Metadata: json.RawMessage(`{"cents":1299,"big":12345678901234567890,"text":"\u00e9"}`)},
				{ID: "e2", Name: "bare"},
				{ID: "e3", Name: "ünïcode «name»", Actor: "100% \"ann\"", Metadata: json.RawMessage(`{"nested":{"a":[1.50,null]}}`)},
			}
			at := time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC)
			for i := range sent {
				sent[i].Time = at
			}
			gateway, err := daybook.Gateway(first.URL, daybook.GatewayOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := gateway.Send(t.Context(), sent); err != nil {
				t.Fatal(err)
			}
			arrived := second.Await(t, len(sent))
			for i, want := range sent {
				got := arrived[i]
				metadata, envelope := splitCloudEvent(t, got.Metadata)
				if envelope["source"] != "daybook/anonymous" || envelope["caller"] != "anonymous" {
					t.Errorf("%s: _cloudEvent says %v", want.ID, envelope)
				}
				if string(want.Metadata) != metadata {
					t.Errorf("%s: metadata %s, want %s", want.ID, metadata, want.Metadata)
				}
				got.Metadata, want.Metadata, got.Origin = nil, nil, nil
				if got.ID != want.ID || got.Name != want.Name || got.Type != want.Type || got.Actor != want.Actor ||
					got.IdempotencyKey != want.IdempotencyKey || got.SampleRate != want.SampleRate || !got.Time.Equal(want.Time) {
					t.Errorf("%+v, want %+v", got, want)
				}
			}
		})
	}
}

// splitCloudEvent takes the member _cloudEvent, which is the last, out of
// metadata.
func splitCloudEvent(t *testing.T, metadata json.RawMessage) (rest string, envelope map[string]any) {
	t.Helper()
	const begin = `"_cloudEvent":`
	before, after, found := strings.Cut(string(metadata), begin)
	if !found {
		t.Fatalf("no _cloudEvent in %s", metadata)
	}
	if err := json.Unmarshal([]byte(strings.TrimSuffix(after, "}")), &envelope); err != nil {
		t.Fatal(err)
	}
	if before == "{" {
		return "", envelope
	}
	return strings.TrimSuffix(before, ",") + "}", envelope
}
