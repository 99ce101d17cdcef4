package otlp_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake/otlp"
)

// TestTheSDKsLibraryAndOursReadTheSame draws requests, writes them with pdata,
// the library of OpenTelemetry's collector, in both encodings, and compares what
// is made of each record with what pdata itself says it is.
func TestTheSDKsLibraryAndOursReadTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logs := drawLogs(t)
		want := describeAll(logs)
		for _, json := range []bool{false, true} {
			var body []byte
			var err error
			if json {
				body, err = (&plog.JSONMarshaler{}).MarshalLogs(logs)
			} else {
				body, err = (&plog.ProtoMarshaler{}).MarshalLogs(logs)
			}
			if err != nil {
				t.Fatal(err)
			}
			refused := otlp.Decode(body, json, 1_000, func(events []admit.Submission) {
				if len(events) != len(want) {
					t.Fatalf("%d records, want %d", len(events), len(want))
				}
				for i := range events {
					if events[i].Err != nil {
						t.Fatalf("record %d: %v", i, events[i].Err)
					}
					checkRecord(t, &events[i], want[i])
				}
			})
			if refused != nil {
				t.Fatalf("json %v: %v\n%s", json, refused, body)
			}
		}
	})
}

// A described is a record as pdata has it, in our words.
type described struct {
	name     string
	time     time.Time
	metadata string // canonical
}

func checkRecord(t *rapid.T, s *admit.Submission, want described) {
	metadata := jsontext.Value(bytes.Clone(s.Event.Metadata))
	if metadata == nil {
		metadata = jsontext.Value("{}")
	}
	if err := metadata.Compact(); err != nil || len(s.Event.Metadata) > 0 && !bytes.Equal(metadata, s.Event.Metadata) {
		t.Fatalf("not compact JSON: %v: %s", err, s.Event.Metadata)
	}
	if s.Event.Name != want.name || string(sorted(metadata)) != string(sorted(jsontext.Value(want.metadata))) {
		t.Fatalf("name %q, metadata\n%s; want %q\n%s", s.Event.Name, sorted(metadata), want.name, sorted(jsontext.Value(want.metadata)))
	}
	if s.TimeGiven == want.time.IsZero() || s.TimeGiven && !s.Event.Time.Equal(want.time) {
		t.Fatalf("time %v, want %v", s.Event.Time, want.time)
	}
}

// sorted has the members of all objects in one order. Numbers stay as they are.
func sorted(v jsontext.Value) jsontext.Value {
	v = bytes.Clone(v)
	if err := v.Format(jsontext.ReorderRawObjects(true)); err != nil {
		return jsontext.Value("no JSON: " + err.Error())
	}
	return v
}

func drawLogs(t *rapid.T) plog.Logs {
	logs := plog.NewLogs()
	for range rapid.IntRange(0, 3).Draw(t, "resources") {
		resource := logs.ResourceLogs().AppendEmpty()
		drawMap(t, resource.Resource().Attributes(), 2)
		resource.Resource().SetDroppedAttributesCount(rapid.SampledFrom([]uint32{0, 7}).Draw(t, "dropped"))
		resource.SetSchemaUrl(rapid.SampledFrom([]string{"", "https://opentelemetry.io/schemas/1.30.0"}).Draw(t, "schema"))
		for range rapid.IntRange(0, 3).Draw(t, "scopes") {
			scope := resource.ScopeLogs().AppendEmpty()
			scope.Scope().SetName(drawText(t))
			scope.Scope().SetVersion(drawText(t))
			scope.SetSchemaUrl(drawText(t))
			drawMap(t, scope.Scope().Attributes(), 1)
			for range rapid.IntRange(0, 3).Draw(t, "records") {
				drawRecord(t, scope.LogRecords().AppendEmpty())
			}
		}
	}
	return logs
}

func drawRecord(t *rapid.T, r plog.LogRecord) {
	r.SetTimestamp(pcommon.Timestamp(rapid.SampledFrom([]uint64{0, 1, 1790000000123456789, math.MaxInt64, math.MaxUint64}).Draw(t, "time")))
	r.SetObservedTimestamp(pcommon.Timestamp(rapid.SampledFrom([]uint64{0, 1790000000999999999}).Draw(t, "observed")))
	r.SetSeverityNumber(plog.SeverityNumber(rapid.Int32Range(0, 24).Draw(t, "severity")))
	r.SetSeverityText(drawText(t))
	r.SetEventName(rapid.SampledFrom([]string{"", "order-paid"}).Draw(t, "name"))
	r.SetDroppedAttributesCount(rapid.Uint32().Draw(t, "dropped"))
	r.SetFlags(plog.LogRecordFlags(rapid.SampledFrom([]uint32{0, 1, math.MaxUint32}).Draw(t, "flags")))
	if rapid.Bool().Draw(t, "traced") {
		r.SetTraceID(pcommon.TraceID([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace"))))
		r.SetSpanID(pcommon.SpanID([8]byte(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "span"))))
	}
	drawValue(t, r.Body(), 3)
	drawMap(t, r.Attributes(), 3)
}

func drawText(t *rapid.T) string { return rapid.StringN(0, 12, 40).Draw(t, "text") }

func drawMap(t *rapid.T, m pcommon.Map, depth int) {
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		name := rapid.OneOf(rapid.SampledFrom([]string{"$bytes", "$$bytes", "$double", "plan", "Ü"}), rapid.StringN(0, 6, 20)).Draw(t, "key")
		drawValue(t, m.PutEmpty(name), depth-1)
	}
}

func drawValue(t *rapid.T, v pcommon.Value, depth int) {
	kinds := 8
	if depth <= 0 {
		kinds = 6
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 1:
		v.SetStr(drawText(t))
	case 2:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case 3:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case 4:
		v.SetDouble(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, math.NaN(), math.Inf(1), math.Inf(-1), 1e21, 1e-7})).Draw(t, "double"))
	case 5:
		v.SetEmptyBytes().FromRaw(rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "bytes"))
	case 6:
		elements := v.SetEmptySlice()
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			drawValue(t, elements.AppendEmpty(), depth-1)
		}
	case 7:
		drawMap(t, v.SetEmptyMap(), depth)
	}
}

// describeAll says what each record is, written from pdata's own messages.
func describeAll(logs plog.Logs) (all []described) {
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, r := range scope.LogRecords().All() {
				all = append(all, describe(r, scope, resource))
			}
		}
	}
	return all
}

func describe(r plog.LogRecord, scope plog.ScopeLogs, resource plog.ResourceLogs) described {
	d := described{name: r.EventName()}
	if d.name == "" {
		d.name = "log"
	}
	if at := max(uint64(r.Timestamp()), 0); at != 0 {
		d.time = instant(at)
	} else if at := uint64(r.ObservedTimestamp()); at != 0 {
		d.time = instant(at)
	}
	m := object{}
	m.addIf(r.Body().Type() != pcommon.ValueTypeEmpty, "body", valueOf(r.Body()))
	m.addIf(r.SeverityNumber() != 0, "severity_number", strconv.Itoa(int(r.SeverityNumber())))
	m.text("severity_text", r.SeverityText())
	if at := uint64(r.ObservedTimestamp()); at != 0 {
		m.text("observed_time", instant(at).Format(time.RFC3339Nano))
	}
	if id := r.TraceID(); !id.IsEmpty() {
		m.text("trace_id", hex.EncodeToString(id[:]))
	}
	if id := r.SpanID(); !id.IsEmpty() {
		m.text("span_id", hex.EncodeToString(id[:]))
	}
	m.count("flags", uint32(r.Flags()))
	m.attributes(r.Attributes())
	m.count("dropped_attributes_count", r.DroppedAttributesCount())
	of := object{}
	of.text("name", scope.Scope().Name())
	of.text("version", scope.Scope().Version())
	of.attributes(scope.Scope().Attributes())
	of.text("schema_url", scope.SchemaUrl())
	m.addIf(len(of) > 0, "scope", of.String())
	on := object{}
	on.attributes(resource.Resource().Attributes())
	on.count("dropped_attributes_count", resource.Resource().DroppedAttributesCount())
	on.text("schema_url", resource.SchemaUrl())
	m.addIf(len(on) > 0, "resource", on.String())
	d.metadata = m.String()
	return d
}

func instant(nanos uint64) time.Time {
	return time.Unix(int64(nanos/1e9), int64(nanos%1e9)).UTC()
}

// An object is JSON that is being written.
type object []string

func (o *object) addIf(is bool, name, value string) {
	if is {
		*o = append(*o, quoted(name)+":"+value)
	}
}

func (o *object) text(name, text string) { o.addIf(text != "", name, quoted(text)) }

func (o *object) count(name string, n uint32) { o.addIf(n != 0, name, strconv.Itoa(int(n))) }

func (o *object) attributes(m pcommon.Map) { o.addIf(m.Len() > 0, "attributes", mapOf(m)) }

func (o *object) String() string {
	text := "{"
	for i, member := range *o {
		if i > 0 {
			text += ","
		}
		text += member
	}
	return text + "}"
}

func quoted(text string) string {
	b, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func mapOf(m pcommon.Map) string {
	o := object{}
	for name, value := range m.All() {
		o.addIf(true, name, valueOf(value))
	}
	return o.String()
}

func valueOf(v pcommon.Value) string {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return quoted(v.Str())
	case pcommon.ValueTypeBool:
		return strconv.FormatBool(v.Bool())
	case pcommon.ValueTypeInt:
		return strconv.FormatInt(v.Int(), 10)
	case pcommon.ValueTypeDouble:
		return doubleOf(v.Double())
	case pcommon.ValueTypeBytes:
		return `{"$bytes":"` + base64.StdEncoding.EncodeToString(v.Bytes().AsRaw()) + `"}`
	case pcommon.ValueTypeSlice:
		text := "["
		for i, element := range v.Slice().All() {
			if i > 0 {
				text += ","
			}
			text += valueOf(element)
		}
		return text + "]"
	case pcommon.ValueTypeMap:
		m := v.Map()
		if m.Len() == 1 {
			for name, value := range m.All() {
				switch name {
				case "$bytes", "$$bytes", "$double":
					return `{"$` + name + `":` + valueOf(value) + "}"
				}
			}
		}
		return mapOf(m)
	}
	return "null"
}

func doubleOf(n float64) string {
	switch {
	case math.IsNaN(n):
		return `{"$double":"NaN"}`
	case math.IsInf(n, 1):
		return `{"$double":"Infinity"}`
	case math.IsInf(n, -1):
		return `{"$double":"-Infinity"}`
	}
	text := jsontext.Float(n).String()
	if n == 0 && math.Signbit(n) {
		text = "-0"
	}
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil || text == "-0" {
		_ = whole
		return text + ".0"
	}
	for _, c := range text {
		if c == '.' || c == 'e' {
			return text
		}
	}
	return text + ".0"
}
