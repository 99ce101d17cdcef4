package otlp_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/otlp"
)

// field is one length-delimited field.
func field(number protowire.Number, content string) string {
	return string(protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), content))
}

// aRecord is a request of one record with more fields.
func aRecord(fields string) string { return field(1, field(2, field(2, field(12, "a")+fields))) }

// nested is a value of n arrays in each other. It is written from its end,
// because each length comes before what it counts.
func nested(n int) string {
	var reversed []byte
	for range n {
		for _, number := range []protowire.Number{1, 5} {
			header := protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.BytesType), uint64(len(reversed)))
			slices.Reverse(header)
			reversed = append(reversed, header...)
		}
	}
	slices.Reverse(reversed)
	return string(reversed)
}

// TestR23 sends Protocol Buffers that break parsers.
func TestR23(t *testing.T) {
	const invalid = "the request is not a valid ExportLogsServiceRequest"
	for name, c := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"10,000 levels":                    {aRecord(field(5, nested(10_000))), 400, "too_deep"},
		"a million levels":                 {aRecord(field(5, nested(1_000_000))), 400, "too_deep"},
		"a length without an end":          {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 400, invalid},
		"a length of more than there is":   {"\x0a\xff\xff\xff\x7fa", 400, invalid},
		"a length beyond 63 bits":          {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 400, invalid},
		"a varint that ends too early":     {aRecord("\x10\x80"), 400, invalid},
		"a varint of eleven bytes":         {aRecord("\x10" + strings.Repeat("\x80", 10) + "\x01"), 400, invalid},
		"a fixed number cut off":           {aRecord("\x09\x01\x02"), 400, invalid},
		"field number 0":                   {"\x02\x01a", 400, invalid},
		"wire type 7":                      {"\x0f", 400, invalid},
		"a group nobody closes":            {aRecord("\x6b"), 400, invalid},
		"100,000 groups in each other":     {aRecord(strings.Repeat("\x6b", 100_000)), 400, invalid},
		"a million groups in each other":   {strings.Repeat("\x6b", 1_000_000), 400, invalid},
		"a group that is closed":           {aRecord("\x6b\x08\x01\x6c"), 200, ""},
		"unknown fields":                   {aRecord(field(99, "x")) + field(1000, "y") + "\x48\x01", 200, ""},
		"a name as a number":               {aRecord("\x60\x01"), 200, ""}, // an unknown field, by the rules
		"a time as a varint":               {aRecord("\x08\x01"), 200, ""},
		"a name that is not UTF-8":         {field(1, field(2, field(2, field(12, "\xff")))), 400, "invalid_utf8"},
		"a key that is not UTF-8":          {aRecord(field(6, field(1, "\xff"))), 400, "invalid_utf8"},
		"a text that is not UTF-8":         {aRecord(field(5, field(1, "\xed\xa0\x80"))), 400, "invalid_utf8"},
		"a severity that is not UTF-8":     {aRecord(field(3, "\xff")), 400, "invalid_utf8"},
		"a scope that is not UTF-8":        {field(1, field(2, field(1, field(1, "\xff"))+field(2, field(12, "a")))), 400, "invalid_utf8"},
		"200,000 attributes, all alike":    {aRecord(strings.Repeat(field(6, field(1, "k")), 200_000)), 400, "duplicate_name"},
		"300,000 attributes":               {aRecord(manyAttributes(300_000)), 400, "more attributes than an event can hold"},
		"20,000 attributes":                {aRecord(manyAttributes(20_000)), 200, ""},
		"a million empty resources":        {strings.Repeat(field(1, ""), 1_000_000), 200, ""},
		"a million empty scopes":           {field(1, strings.Repeat(field(2, ""), 1_000_000)), 200, ""},
		"a resource a hundred times over":  {field(1, strings.Repeat(field(1, field(1, field(1, "k"))), 100)+field(2, field(2, field(12, "a")))), 200, ""},
		"a body a hundred thousand times":  {aRecord(strings.Repeat(field(5, field(1, "x")), 100_000)), 200, ""},
		"an id of a trace a million times": {aRecord(strings.Repeat(field(9, ""), 1_000_000)), 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(intaketest.Nowhere{})
			begin := time.Now()
			w := post(s, protobuf, c.body)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || w.Body.Len() > 2_000 {
				t.Errorf("status %d, %.300q; want %d %s", w.Code, w.Body, c.status, c.says)
			}
			if took := time.Since(begin); took > 2*time.Minute {
				t.Errorf("it took %v", took)
			}
			if used := s.Budget.Used(); used != 0 {
				t.Errorf("%d bytes are still held", used)
			}
		})
	}
}

// TestR22 sends JSON that breaks parsers. Small cases are in test/wire/otlp.
func TestR22(t *testing.T) {
	const brackets = 1_000_000
	record := func(members string) string {
		return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"a"` + members + `}]}]}]}`
	}
	body := func(value string) string { return record(`,"body":` + value) }
	for name, c := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"a million brackets":               {strings.Repeat("[", brackets), 400, "too many objects and arrays are open|must be an object|more than 1,024"},
		"a million objects":                {strings.Repeat(`{"resourceLogs":[`, brackets/10), 400, "more than 1,024"},
		"a million values in each other":   {body(strings.Repeat(`{"arrayValue":{"values":[`, brackets/10)), 400, "more than 1,024"},
		"200 values in each other, closed": {body(strings.Repeat(`{"arrayValue":{"values":[`, 200) + strings.Repeat(`]}}`, 200)), 400, "too_deep"},
		"unknown members without an end":   {record(`,"x":` + strings.Repeat("[", brackets)), 400, "more than 1,024"},
		"a number of a million digits":     {body(`{"intValue":` + strings.Repeat("9", brackets) + `}`), 400, "invalid_number"},
		"a double of a million digits":     {body(`{"doubleValue":0.` + strings.Repeat("9", brackets) + `}`), 200, ""},
		"a string without an end":          {body(`{"stringValue":"` + strings.Repeat("x", brackets)), 400, "the text ends"},
		"bytes that are no UTF-8":          {body("{\"stringValue\":\"\xff\"}"), 400, "invalid_utf8"},
		"NUL":                              {body("{\"stringValue\":\"\x00\"}"), 400, "control character"},
		"NUL, escaped":                     {body(`{"stringValue":"\u0000"}`), 200, ""},
		"half of a surrogate pair":         {body(`{"stringValue":"\ud800"}`), 400, "lone_surrogate"},
		"01":                               {body(`{"intValue":01}`), 400, "not acceptable JSON"},
		"NaN":                              {body(`{"doubleValue":NaN}`), 400, "not acceptable JSON"},
		"a comma at the end":               {body(`{"intValue":1},`), 400, "not acceptable JSON"},
		"a name twice":                     {body(`{"x":1,"x":2}`), 400, "duplicate_name"},
		"a name twice, escaped":            {body(`{"x":1,"\u0078":2}`), 400, "duplicate_name"},
		"UTF-16":                           {"{\x00}\x00", 400, "not acceptable JSON"},
		"nothing":                          {"", 400, "not acceptable JSON"},
		"a million blanks":                 {strings.Repeat(" ", brackets), 400, "not acceptable JSON"},
		"300,000 names nobody knows":       {record(manyNames(300_000)), 400, "event_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(newService(intaketest.Nowhere{}), asJSON, c.body)
			if w.Code != c.status || !slices.ContainsFunc(strings.Split(c.says, "|"), func(s string) bool { return strings.Contains(w.Body.String(), s) }) || w.Body.Len() > 2_000 {
				t.Errorf("status %d, %.300s; want %d %s", w.Code, w.Body, c.status, c.says)
			}
		})
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"y` + strconv.Itoa(i) + `":0`)
	}
	return b.String()
}

// TestR28 spoofs what only the gateway says, in both encodings.
func TestR28(t *testing.T) {
	s := &intaketest.Recorder{}
	service := newService(s)
	logs, r := oneRecord()
	r.SetEventName("a")
	resource := logs.ResourceLogs().At(0).Resource().Attributes()
	for _, name := range []string{"_eventLog", "caller", "protocol", "instance", "ingested_at", "event_id"} {
		r.Attributes().PutStr(name, "root")
		resource.PutStr(name, "root")
	}
	for contentType, body := range map[string]string{protobuf: wire(t, logs), asJSON: text(t, logs)} {
		if w := post(service, contentType, body); w.Code != http.StatusOK {
			t.Errorf("%s: status %d: %s", contentType, w.Code, w.Body)
		}
	}
	for i, r := range s.Records() {
		if r.Caller != "anonymous" || r.Protocol != "otlp" || r.Instance != "test" || !r.Received.Equal(intaketest.Noon) || r.Scope != "" || r.Event.ID == "root" {
			t.Errorf("record %d believes the caller: %+v", i, r)
		}
		if m := string(r.Event.Metadata); !strings.HasPrefix(m, `{"attributes":{"_eventLog":"root"`) { // as an attribute it is a name like any other
			t.Errorf("record %d: %s", i, m)
		}
	}
	if len(s.Records()) != 2 {
		t.Errorf("%d records", len(s.Records()))
	}
}

// FuzzDecode holds what must be true of any body at all, in both encodings.
func FuzzDecode(f *testing.F) {
	for _, body := range intaketest.Bodies(f, otlp.Protocol) {
		f.Add(body, true)
		f.Add(body, false)
	}
	f.Fuzz(func(t *testing.T, body []byte, json bool) {
		contentType := protobuf
		if json {
			contentType = asJSON
		}
		s := &intaketest.Recorder{}
		service := newService(s)
		service.MaxEvents = 100
		before := string(body)
		w := post(service, contentType, string(body))
		if w.Code != http.StatusOK && len(s.Records()) > 0 {
			t.Fatalf("status %d, and %d records stored", w.Code, len(s.Records()))
		}
		for _, r := range s.Records() {
			intaketest.CheckStored(t, &r.Event)
		}
		if used := service.Budget.Used(); used != 0 {
			t.Fatalf("%d bytes are still held", used)
		}
		_ = otlp.Decode(body, json, 100, func([]admit.Submission) {})
		if string(body) != before {
			t.Fatal("decoding changed the body")
		}
	})
}
