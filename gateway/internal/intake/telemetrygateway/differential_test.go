package telemetrygateway_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/intake/telemetrygateway"
)

var allowed = telemetrygateway.Allowed{"search/run": {"lang", "query"}, "search/*": {"lang"}}

// reference is what the contract says is stored of an event, by way of the
// generated messages and protojson. It is nil where that finds fault with the
// bytes.
func reference(t testing.TB, wire []byte, public bool) (e *telemetrygatewayv1.Event, metadata []byte) {
	t.Helper()
	e = new(telemetrygatewayv1.Event)
	if proto.Unmarshal(wire, e) != nil {
		return nil, nil
	}
	kept := proto.Clone(e).(*telemetrygatewayv1.Event)
	kept.Id, kept.Timestamp = "", nil
	if !public {
		kept.MarketingTracking = nil
	}
	if p := kept.GetParameters(); p != nil {
		for key, n := range p.GetLegacyMetadata() {
			if p.Metadata == nil {
				p.Metadata = map[string]float64{}
			}
			p.Metadata[key] = float64(n)
		}
		p.LegacyMetadata = nil
		p.PrivateMetadata = redacted(p.GetPrivateMetadata(), kept.GetFeature(), kept.GetAction())
	}
	text, err := protojson.Marshal(kept)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	return e, compact.Bytes()
}

func redacted(private *structpb.Struct, feature, action string) *structpb.Struct {
	keys, ok := allowed[feature+"/"+action]
	if !ok {
		keys = allowed[feature+"/*"]
	}
	kept := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for _, key := range keys {
		switch value := private.GetFields()[key]; value.GetKind().(type) {
		case *structpb.Value_StringValue:
			kept.Fields[key] = value
		default:
			if _, there := private.GetFields()[key]; there {
				kept.Fields[key] = structpb.NewStringValue(telemetrygateway.NotText)
			}
		}
	}
	if len(kept.Fields) == 0 {
		return nil
	}
	return kept
}

// FuzzEvent holds that an event is stored as the contract says, whatever bytes it
// comes in, and that nothing is made up about one that is malformed.
func FuzzEvent(f *testing.F) {
	for _, seed := range seeds(f) {
		wire, err := proto.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, true)
		f.Add(wire, false)
		f.Add(append(wire, wire...), true)
		f.Add(wire[:len(wire)/2], true)
	}
	f.Fuzz(func(t *testing.T, wire []byte, public bool) {
		got := telemetrygateway.NewDecoder(allowed, public).Event(wire)
		e, metadata := reference(t, wire, public)
		if got.Event.Metadata != nil && !json.Valid(got.Event.Metadata) {
			t.Fatalf("not JSON: %s", got.Event.Metadata)
		}
		if e == nil {
			return // what is wrong may be in what is not kept, and not looked into
		}
		if !bytes.Equal(got.Event.Metadata, metadata) {
			t.Fatalf("stored\n%s, protojson has\n%s\n%v", got.Event.Metadata, metadata, got.Err)
		}
		if got.Event.ID != e.GetId() || got.Event.Name != e.GetFeature()+"."+e.GetAction() || got.Event.Type != "telemetry" {
			t.Fatalf("the event is %+v", got.Event)
		}
		checkTime(t, got.Event.Time, got.TimeGiven, e.GetTimestamp())
		checkActor(t, got.Event.Actor, e.GetUser())
	})
}

func checkTime(t *testing.T, got time.Time, given bool, want *timestamppb.Timestamp) {
	t.Helper()
	if ok := want != nil && want.IsValid(); ok != given || ok && !got.Equal(want.AsTime()) {
		t.Fatalf("its time is %v (%t), and was %v", got, given, want)
	}
}

func checkActor(t *testing.T, got string, user *telemetrygatewayv1.EventUser) {
	t.Helper()
	want := user.GetSamsExternalId()
	if want == "" && user != nil && user.UserId != nil {
		want = strconv.FormatInt(user.GetUserId(), 10)
	}
	if want == "" {
		want = user.GetAnonymousUserId()
	}
	if len(want) > 256 {
		want = ""
	}
	if got != want {
		t.Fatalf("its actor is %q, want %q", got, want)
	}
}

// full is an event with every field there is.
func full(t testing.TB) *telemetrygatewayv1.Event {
	t.Helper()
	private, err := structpb.NewStruct(map[string]any{"query": "<select>", "lang": []any{1.5, nil, map[string]any{"deep": true}}, "secret": "canary"})
	if err != nil {
		t.Fatal(err)
	}
	return &telemetrygatewayv1.Event{
		Id: "1234", Timestamp: &timestamppb.Timestamp{Seconds: 1767355200, Nanos: 120_000_000}, Feature: "search", Action: "run",
		Source: &telemetrygatewayv1.EventSource{
			Server: &telemetrygatewayv1.EventSource_Server{Version: "5.2"},
			Client: &telemetrygatewayv1.EventSource_Client{Name: "web", Version: new("")},
		},
		Parameters: &telemetrygatewayv1.EventParameters{
			Version: 7, LegacyMetadata: map[string]int64{"a": 1, "b": math.MaxInt64}, PrivateMetadata: private,
			BillingMetadata: &telemetrygatewayv1.EventBillingMetadata{Product: "p", Category: "c"},
			Metadata:        map[string]float64{"a": 0.5, "recordsPrivateMetadataQuery": 1, "nan": math.NaN(), "small": 1e-9},
		},
		User:         &telemetrygatewayv1.EventUser{UserId: proto.Int64(42), AnonymousUserId: new("anon"), SamsExternalId: new("sams")},
		FeatureFlags: &telemetrygatewayv1.EventFeatureFlags{Flags: map[string]string{"blue": "true", "": "é\x00\""}},
		MarketingTracking: &telemetrygatewayv1.EventMarketingTracking{
			Url: new("https://example.com/?a=1&b=2"), FirstSourceUrl: new("f"), CohortId: new("c"), Referrer: new("r"),
			LastSourceUrl: new("l"), DeviceSessionId: new("d"), SessionReferrer: new("s"), SessionFirstUrl: new(""),
		},
		Interaction: &telemetrygatewayv1.EventInteraction{
			TraceId: new("t"), InteractionId: new("i"), Geolocation: &telemetrygatewayv1.EventInteraction_Geolocation{CountryCode: "DE"},
		},
	}
}

func seeds(t testing.TB) []*telemetrygatewayv1.Event {
	other := full(t)
	other.Action, other.User.SamsExternalId, other.User.UserId = "stop", nil, nil
	return []*telemetrygatewayv1.Event{full(t), other, {}, valid("1"), {Id: "1", Parameters: &telemetrygatewayv1.EventParameters{}}}
}

// FuzzMetadata holds that what is stored of a stream's metadata is what protojson
// makes of it, but for the license key.
func FuzzMetadata(f *testing.F) {
	service := managed("s")
	service.GetManagedService().ServiceEnvironment = new("")
	for _, id := range []*telemetrygatewayv1.Identifier{nil, {}, licensed(goodKey, "i"), unlicensed("i\x00"), service} {
		wire, err := proto.Marshal(hello(id).GetMetadata())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
		f.Add(append(wire, wire...))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		stored, err := telemetrygateway.Stored(wire)
		m := new(telemetrygatewayv1.RecordEventsRequestMetadata)
		if theirs := proto.Unmarshal(wire, m); theirs != nil || m.GetIdentifier().GetIdentifier() == nil || len(wire) > 500 {
			if err == nil && len(wire) <= 500 {
				t.Fatalf("stored %s, although %v", stored, theirs)
			}
			return
		}
		text, _ := protojson.Marshal(m)
		var compact bytes.Buffer
		if jsonErr := json.Compact(&compact, text); jsonErr != nil {
			t.Fatal(jsonErr)
		}
		if err != nil || stored != compact.String() {
			t.Fatalf("stored\n%s, %v; protojson has\n%s", stored, err, compact.String())
		}
	})
}
