package wirejson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/intake/wirejson"
)

// messages are the types that the differential test compares; together they have
// every kind of field.
var messages = []proto.Message{
	&telemetrygatewayv1.EventUser{},
	&telemetrygatewayv1.EventSource{},
	&telemetrygatewayv1.EventFeatureFlags{},
	&telemetrygatewayv1.EventInteraction{},
	&telemetrygatewayv1.RecordEventsRequestMetadata{},
	&telemetrygatewayv1.EventParameters{},
}

// privateMetadata is a Struct, which has no JSON here.
const privateMetadata protowire.Number = 3

// ours is what the package makes of b.
func ours(m proto.Message, b []byte) ([]byte, error) {
	shape := wirejson.Of(m.ProtoReflect().Descriptor())
	var e wirejson.Encoder
	if _, ok := m.(*telemetrygatewayv1.EventParameters); !ok {
		return e.AppendMessage(nil, shape, b)
	}
	var f wirejson.Fields
	if err := shape.Parse(b, &f); err != nil {
		return nil, err
	}
	f[privateMetadata] = wirejson.Field{}
	return e.AppendFields(nil, shape, &f)
}

// theirs is what protojson makes of b, compact.
func theirs(t testing.TB, m proto.Message, b []byte) ([]byte, error) {
	t.Helper()
	message := proto.Clone(m)
	if err := proto.Unmarshal(b, message); err != nil {
		return nil, err
	}
	if p, ok := message.(*telemetrygatewayv1.EventParameters); ok {
		p.PrivateMetadata = nil
	}
	text, err := protojson.Marshal(message)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	return compact.Bytes(), nil
}

// hasPrivate reports whether something is wrong in a Struct only, into which
// nobody looks here.
func hasPrivate(m proto.Message, b []byte) bool {
	var f wirejson.Fields
	shape := wirejson.Of(m.ProtoReflect().Descriptor())
	_, ok := m.(*telemetrygatewayv1.EventParameters)
	return ok && shape.Parse(b, &f) == nil && f[privateMetadata].Set
}

// FuzzAppend holds that any bytes become what protojson makes of them, or that
// both find fault with them.
func FuzzAppend(f *testing.F) {
	for i, seed := range seeds() {
		b, err := proto.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		for n := range messages {
			f.Add(uint8(n), b)
		}
		f.Add(uint8(i), append(b, b...))
		f.Add(uint8(i), b[:len(b)/2])
	}
	for _, broken := range []string{
		"\x0a\x01\xff", "\x0a", "\x00", "\x0b\x0c", "\x0b", "\x0c", "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
		"\x2a\x00\x2a\x00", "\x2a\x02\x0a\x00", "\x12\x04\x0a\x00\x10\x01", "\x2a\x05\x12\x03abc", "\x12\x02\x0a\x00\x12\x02\x12\x00",
		"\xf8\xff\xff\xff\x0f\x01", "\x80\x01\x01", "\x82\x01\x01a",
	} {
		for n := range messages {
			f.Add(uint8(n), []byte(broken))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		m := messages[int(which)%len(messages)]
		want, theirErr := theirs(t, m, b)
		got, err := ours(m, b)
		if theirErr != nil && err == nil && hasPrivate(m, b) {
			return
		}
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("%T: our error is %v, theirs %v\n%s", m, err, theirErr, got)
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%T\n%s, protojson has\n%s", m, got, want)
		}
	})
}

func seeds() []proto.Message {
	private, err := structpb.NewStruct(map[string]any{"a": []any{1, nil, map[string]any{"b": true}}})
	if err != nil {
		panic(err)
	}
	return []proto.Message{
		&telemetrygatewayv1.EventUser{UserId: proto.Int64(math.MinInt64), AnonymousUserId: new(""), SamsExternalId: new("a\"\\\b\f\n\r\t\x00\x1f\x7f<>&\u2028é\U0001F600\uFFFD")},
		&telemetrygatewayv1.EventSource{Server: &telemetrygatewayv1.EventSource_Server{}, Client: &telemetrygatewayv1.EventSource_Client{Name: "web", Version: new("")}},
		&telemetrygatewayv1.EventFeatureFlags{Flags: map[string]string{"b": "1", "a": "", "": "2", "é": "3"}},
		&telemetrygatewayv1.EventInteraction{TraceId: new("t"), Geolocation: &telemetrygatewayv1.EventInteraction_Geolocation{CountryCode: "DE"}},
		&telemetrygatewayv1.RecordEventsRequestMetadata{RequestId: "r", Identifier: &telemetrygatewayv1.Identifier{Identifier: &telemetrygatewayv1.Identifier_ManagedService{
			ManagedService: &telemetrygatewayv1.Identifier_ManagedServiceIdentifier{ServiceId: "s", ServiceEnvironment: new("dev")},
		}}},
		&telemetrygatewayv1.EventParameters{
			Version: -1, LegacyMetadata: map[string]int64{"a": 1, "z": math.MaxInt64}, PrivateMetadata: private,
			BillingMetadata: &telemetrygatewayv1.EventBillingMetadata{Product: "p", Category: "c"},
			Metadata: map[string]float64{
				"nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1), "-0": math.Copysign(0, -1), "0": 0, "1": 1, "-1": -1, "0.1": 0.1,
				"1e21": 1e21, "1e20": 1e20, "1e-6": 1e-6, "1e-7": 1e-7, "1.5e-10": 1.5e-10, "max": math.MaxFloat64, "min": math.SmallestNonzeroFloat64,
				"2^53": 1 << 53, "2^53-1": 1<<53 - 1, "-2^53": -(1 << 53), "2^63": 1 << 63, "1e-100": 1e-100,
			},
		},
	}
}

func TestMapsOfOneNameBecomeOneAndTheLaterOneWins(t *testing.T) {
	m := &telemetrygatewayv1.EventParameters{
		Metadata:       map[string]float64{"a": 0.5, "b": 2},
		LegacyMetadata: map[string]int64{"a": 7, "c": math.MaxInt64},
	}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	const legacyMetadata, metadata protowire.Number = 2, 5
	var e wirejson.Encoder
	got, err := e.AppendDoubles(nil, wirejson.Of(m.ProtoReflect().Descriptor()), b, metadata, legacyMetadata)
	if want := `{"a":7,"b":2,"c":9223372036854776000}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

func TestWhatIsTooMuchIsRefusedBeforeItIsWritten(t *testing.T) {
	shape := wirejson.Of((&telemetrygatewayv1.EventFeatureFlags{}).ProtoReflect().Descriptor())
	flags := func(n int, value string) []byte {
		m := &telemetrygatewayv1.EventFeatureFlags{Flags: map[string]string{}}
		for i := range n {
			m.Flags[strings.Repeat("k", i)] = value
		}
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	t.Run("a text", func(t *testing.T) {
		e := wirejson.Encoder{MaxBytes: 1000}
		got, err := e.AppendMessage(nil, shape, flags(1, strings.Repeat("x", 1001)))
		if !errors.Is(err, wirejson.ErrTooLong) || len(got) > 1000 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
	t.Run("many texts", func(t *testing.T) {
		e := wirejson.Encoder{MaxBytes: 1000}
		got, err := e.AppendMessage(nil, shape, flags(20, strings.Repeat("x", 100)))
		if !errors.Is(err, wirejson.ErrTooLong) || len(got) > 1200 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
	t.Run("one byte less is enough", func(t *testing.T) {
		b := flags(3, "x")
		var unlimited wirejson.Encoder
		whole, err := unlimited.AppendMessage(nil, shape, b)
		if err != nil {
			t.Fatal(err)
		}
		e := wirejson.Encoder{MaxBytes: len(whole)}
		if _, err := e.AppendMessage(nil, shape, b); err != nil {
			t.Error(err)
		}
	})
	t.Run("entries", func(t *testing.T) {
		var e wirejson.Encoder
		entry := []byte("\x0a\x00") // of no key and no value
		if got, err := e.AppendMessage(nil, shape, bytes.Repeat(entry, wirejson.MaxKeys)); err != nil || string(got) != `{"flags":{"":""}}` {
			t.Errorf("%s, %v", got, err)
		}
		if _, err := e.AppendMessage(nil, shape, bytes.Repeat(entry, wirejson.MaxKeys+1)); !errors.Is(err, wirejson.ErrTooManyKeys) {
			t.Error(err)
		}
	})
}

// TestR23 holds that a message in very many parts costs no more than its length.
func TestR23(t *testing.T) {
	const parts = 1 << 20
	shape := wirejson.Of((&telemetrygatewayv1.EventSource{}).ProtoReflect().Descriptor())
	var e wirejson.Encoder
	got, err := e.AppendMessage(nil, shape, bytes.Repeat([]byte("\x0a\x03\x0a\x01v"), parts))
	if want := `{"server":{"version":"v"}}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAShapeThatIsNotKnownIsFoundAtStart(t *testing.T) {
	for name, m := range map[string]proto.Message{
		"a list of texts":   &telemetrygatewayv1.RecordEventsResponse{},
		"a map of messages": &structpb.Struct{},
		"a bool":            &structpb.Value{},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Errorf("%T has a shape", m)
				}
			}()
			wirejson.Of(m.ProtoReflect().Descriptor())
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	m := &telemetrygatewayv1.EventParameters{Version: 1, Metadata: map[string]float64{
		"latencyMs": 187.25, "resultCount": 42, "recordsPrivateMetadataQuery": 1, "cacheHits": 12, "retries": 0.5,
	}}
	wire, err := proto.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ours", func(b *testing.B) {
		shape := wirejson.Of(m.ProtoReflect().Descriptor())
		var e wirejson.Encoder
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			if dst, err = e.AppendMessage(dst[:0], shape, wire); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("protojson", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var n telemetrygatewayv1.EventParameters
			if err := proto.Unmarshal(wire, &n); err != nil {
				b.Fatal(err)
			}
			if _, err := protojson.Marshal(&n); err != nil {
				b.Fatal(err)
			}
		}
	})
}
