package telemetrygateway_test

import (
	"bytes"
	"maps"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake/telemetrygateway"
)

const fromLicensed = `"_eventLog":{"publisher":{"requestId":"r1","identifier":{"licensedInstance":{"licenseKey":"sha256:ab","instanceId":"i","externalUrl":"https://x/?a=1&b=2"}}}}`

func TestAnEventIsPublishedAsItsReadersExpect(t *testing.T) {
	e := daybook.Event{
		ID: "1234", Name: "search.<run>", Time: time.Date(2026, 1, 2, 3, 4, 5, 120_000_000, time.FixedZone("", 3600)),
		Metadata: []byte(`{"feature":"search", "action":"run","parameters":{"metadata":{"recordsPrivateMetadataCode":1,"recordsPrivateMetadataX":5,` +
			`"recordsPrivateMetadataOff":0,"latency":12.5},"privateMetadata":{"q":"<a>"}},"user":{"userId":"42"},` + fromLicensed + `}`),
	}
	value, attributes, err := telemetrygateway.Publish([]byte("before:"), &e)
	if err != nil {
		t.Fatal(err)
	}
	want := `before:{"event":{"id":"1234","timestamp":"2026-01-02T02:04:05.120Z","feature":"search","action":"run","parameters":{"metadata":{"recordsPrivateMetadataCode":1,"recordsPrivateMetadataX":5,` +
		`"recordsPrivateMetadataOff":0,"latency":12.5},"privateMetadata":{"q":"\u003ca\u003e"}},"user":{"userId":"42"}},` +
		`"metadata":{"requestId":"r1","identifier":{"licensedInstance":{"licenseKey":"sha256:ab","instanceId":"i","externalUrl":"https://x/?a=1\u0026b=2"}}}}`
	if string(value) != want {
		t.Errorf("value\n%s, want\n%s", value, want)
	}
	if want := map[string]string{
		"publisher.source": "licensed_instance", "event.feature": "search", "event.action": "run",
		"event.hasPrivateMetadata": "true", "event.recordsPrivateMetadataCode": "true",
	}; !maps.Equal(attributes, want) {
		t.Errorf("attributes %v, want %v", attributes, want)
	}
}

func TestTheSourceNamesThePublisher(t *testing.T) {
	for identifier, want := range map[string]string{
		`{"licensedInstance":{}}`:                     "licensed_instance",
		`{"unlicensedInstance":{"instanceId":"i"}}`:   "unlicensed_instance",
		`{"managedService":{"serviceId":"accounts"}}`: "accounts",
	} {
		e := daybook.Event{ID: "1", Metadata: []byte(`{"feature":"a","action":"b","_eventLog":{"publisher":{"identifier":` + identifier + `}}}`)}
		_, attributes, err := telemetrygateway.Publish(nil, &e)
		if err != nil || attributes["publisher.source"] != want || attributes["event.hasPrivateMetadata"] != "false" {
			t.Errorf("%s: %v, %v", identifier, attributes, err)
		}
	}
}

func TestATimestampHasAsManyDigitsAsItNeeds(t *testing.T) {
	for nanos, want := range map[int]string{0: "05Z", 1e6: "05.001Z", 1e3: "05.000001Z", 1: "05.000000001Z"} {
		e := daybook.Event{ID: "1", Time: time.Date(2026, 1, 2, 3, 4, 5, nanos, time.UTC), Metadata: []byte(`{` + fromLicensed + `}`)}
		value, _, err := telemetrygateway.Publish(nil, &e)
		if err != nil || !bytes.Contains(value, []byte(`"2026-01-02T03:04:`+want+`"`)) {
			t.Errorf("%d ns: %s, %v", nanos, value, err)
		}
	}
}

func TestAnEventOfAnotherProtocolHasNoSuchMessage(t *testing.T) {
	for _, metadata := range []string{
		"", "[]", "{}", `{"_eventLog":{}}`, `{"_eventLog":{"forwardToStatsig":true}}`, `{"_eventLog":{"publisher":1}}`,
		`{"_eventLog":{"publisher":{"identifier":{}}}}`, `{"_eventLog":{"publisher":{"identifier":{"somebody":{}}}}}`,
	} {
		_, _, err := telemetrygateway.Publish(nil, &daybook.Event{ID: "1", Metadata: []byte(metadata)})
		if daybook.CodeOf(err) != daybook.Invalid {
			t.Errorf("%s: %v", metadata, err)
		}
	}
}

func FuzzPublish(f *testing.F) {
	f.Add("1", []byte(`{"feature":"a","parameters":{"metadata":{"recordsPrivateMetadataAB":1}},`+fromLicensed+`}`))
	f.Add("\xff<", []byte(`{`+fromLicensed+`}`))
	f.Fuzz(func(t *testing.T, id string, metadata []byte) {
		value, _, err := telemetrygateway.Publish(nil, &daybook.Event{ID: id, Metadata: metadata})
		if err == nil && !jsontext.Value(value).IsValid() {
			t.Fatalf("not JSON: %s", value)
		}
	})
}
