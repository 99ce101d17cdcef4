package logevent_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"daybook.dev/gateway/internal/intake"
)

// answerOf reads what a service answered.
func answerOf(w *httptest.ResponseRecorder) answer {
	var failure struct{ Message string }
	if w.Code != http.StatusOK {
		_ = json.Unmarshal(w.Body.Bytes(), &failure) // no message is an answer, too
	}
	return answer{w.Code, failure.Message}
}

// TestR22 sends JSON that breaks parsers. Small cases are in
// test/wire/logevent; both routes read the same.
func TestR22(t *testing.T) {
	many := func(n int) string { return strings.TrimSuffix(strings.TrimPrefix(object(n), "{"), "}") }
	const tooDeep = "metadata is nested deeper than 64 levels"
	for name, c := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"half a million brackets":                 {strings.Repeat("[", 500_000), 400, "an object must begin with '{'"},
		"half a million objects, open":            {strings.Repeat(`{"a":`, 200_000), 400, "more than 1,024 objects and arrays are open"},
		"100,000 levels of metadata":              {event(`"metadata":{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}"), 400, tooDeep},
		"100,000 levels of metadata, open":        {event(`"metadata":` + strings.Repeat(`{"a":`, 100_000)), 400, tooDeep},
		"100,000 levels nobody asked for":         {event(`"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)), 400, "more than 1,024 objects and arrays are open"},
		"a number of 60,000 digits":               {event(`"metadata":{"n":` + strings.Repeat("9", 60_000) + "}"), 200, ""},
		"a number of 500,000 digits":              {event(`"metadata":{"n":` + strings.Repeat("9", 500_000) + "}"), 400, "the limit is 65536"},
		"a large exponent":                        {event(`"metadata":{"n":1e999999999999}`), 200, ""},
		"50,000 members nobody asked for":         {event(many(50_000)), 200, ""},
		"50,000 such members, the last one twice": {event(many(50_000) + `,"k49999":0`), 400, "two members called"},
		"50,000 keys of metadata":                 {event(`"metadata":` + object(50_000)), 400, "metadata has 50000 top-level keys, the limit is 256"},
		"50,000 keys inside metadata":             {event(`"metadata":{"a":` + object(50_000) + "}"), 400, "the limit is 65536"},
		"a string without an end":                 {`{"event_name":"` + strings.Repeat("x", 500_000), 400, "the text ends"},
		"half a million quotes":                   {strings.Repeat(`"`, 500_000), 400, "an object must begin"},
		"half a million backslashes":              {event(`"metadata":{"a":"` + strings.Repeat(`\`, 500_000)), 400, "the text ends"},
		"a million blanks":                        {strings.Repeat(" ", 1_000_000), 400, "the text ends"},
		"NUL between tokens":                      {"{\x00}", 400, "not acceptable JSON"},
		"UTF-16":                                  {"{\x00\"\x00", 400, "not acceptable JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, contentType := range []string{"application/json", "application/json; charset=UTF-8"} {
				g := newGateway()
				got := answerOf(g.post(c.body, "Content-Type", contentType))
				if got.status != c.status || !strings.Contains(got.message, c.says) || len(got.message) > 500 {
					t.Errorf("%s: %d %.500s; want %d %s", contentType, got.status, got.message, c.status, c.says)
				}
				if stored := len(g.store.Records()); stored != btoi(c.status == 200) {
					t.Errorf("%d records stored", stored)
				}
			}
		})
	}
}

// The fields of the messages that R23 builds by hand.
const (
	nameField, metadataField, timeField = 1, 4, 5 // of LogEventRequest
	fieldsField                         = 1       // of Struct
	textField, listField                = 3, 6    // of Value
	elementField                        = 1       // of ListValue
)

// field is one length-delimited field.
func field(number protowire.Number, content string) string {
	return string(protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), content))
}

// metadataOf is a request whose metadata has one member.
func metadataOf(key, value string) string {
	return field(nameField, "a") + field(metadataField, field(fieldsField, field(1, key)+field(2, value)))
}

// nested is a request whose metadata has n arrays in each other. It is written
// from its end, because each length comes before what it counts.
func nested(n int) string {
	var reversed []byte
	for range n {
		for _, number := range []protowire.Number{elementField, listField} {
			header := protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.BytesType), uint64(len(reversed)))
			slices.Reverse(header)
			reversed = append(reversed, header...)
		}
	}
	slices.Reverse(reversed)
	return metadataOf("a", string(reversed))
}

// TestR23 sends Protocol Buffers that break parsers.
func TestR23(t *testing.T) {
	const invalid = "the request is not a valid events.v1.LogEventRequest"
	for name, c := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"nothing":                            {"", 400, "event_name is required"},
		"a name":                             {field(nameField, "a"), 200, ""},
		"80 levels":                          {nested(80), 400, "nested deeper than 64 levels"},
		"10,000 levels":                      {nested(10_000), 400, invalid},
		"100,000 levels":                     {nested(100_000), 400, invalid},
		"a name that ends too early":         {field(nameField, "a")[:2], 400, invalid},
		"a length without an end":            {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 400, invalid},
		"a length of more than there is":     {"\x0a\xff\xff\xff\x7fa", 400, invalid},
		"a varint that ends too early":       {field(nameField, "a") + "\x38\x80", 400, invalid},
		"a varint of eleven bytes":           {field(nameField, "a") + "\x38" + strings.Repeat("\x80", 10) + "\x01", 400, invalid},
		"field number 0":                     {"\x02\x01a", 400, invalid},
		"a group nobody closes":              {field(nameField, "a") + "\x43", 400, invalid},
		"100,000 groups in each other":       {field(nameField, "a") + strings.Repeat("\x43", 100_000), 400, invalid},
		"unknown fields":                     {field(nameField, "a") + field(1000, "x") + field(8, "event-id") + "\x48\x01", 200, ""},
		"a name as a number":                 {"\x08\x01", 400, "event_name is required"}, // an unknown field, by the rules
		"a name that is not UTF-8":           {field(nameField, "a\xff"), 400, invalid},
		"a key that is not UTF-8":            {metadataOf("\xff", field(textField, "x")), 400, invalid},
		"a text that is not UTF-8":           {metadataOf("a", field(textField, "\xed\xa0\x80")), 400, invalid},
		"a value of no kind":                 {metadataOf("a", ""), 400, "metadata holds a value of no kind"},
		"not a number":                       {metadataOf("a", "\x11\x00\x00\x00\x00\x00\x00\xf8\x7f"), 400, "metadata holds a number that JSON has no form for"},
		"infinity":                           {metadataOf("a", "\x11\x00\x00\x00\x00\x00\x00\xf0\x7f"), 400, "metadata holds a number that JSON has no form for"},
		"nanoseconds beyond a second":        {field(nameField, "a") + field(timeField, "\x10\x80\x94\xeb\xdc\x03"), 400, "event_ts"},
		"a time beyond the year 9999":        {field(nameField, "a") + field(timeField, "\x08\xff\xff\xff\xff\xff\xff\xff\x7f"), 400, "event_ts"},
		"a key twice: the last one counts":   {field(nameField, "a") + field(metadataField, strings.Repeat(field(fieldsField, field(1, "k")+field(2, field(textField, "v"))), 300)), 200, ""},
		"a million bytes of name":            {field(nameField, strings.Repeat("x", 1_000_000)), 400, "event_name has 1000000 bytes, the limit is 256"},
		"metadata 100,000 times, all merged": {field(nameField, "a") + strings.Repeat(field(metadataField, ""), 100_000), 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			got := answerOf(g.post(c.body, "Content-Type", "application/proto"))
			if got.status != c.status || !strings.Contains(got.message, c.says) || len(got.message) > 500 {
				t.Errorf("%d %.500s; want %d %s", got.status, got.message, c.status, c.says)
			}
			if stored := len(g.store.Records()); stored != btoi(c.status == 200) {
				t.Errorf("%d records stored", stored)
			}
		})
	}
}

// TestR23Memory holds that what decoding a hostile message takes is what the
// budget is charged for it.
func TestR23Memory(t *testing.T) {
	const charged = 1 + 2 + 64 // bytes for each byte of the message: itself, two copies, the messages
	for name, element := range map[string]string{
		"values of no kind": field(1, ""),
		"nulls":             field(1, "\x08\x00"),
		"empty objects":     field(1, field(5, "")),
		"empty arrays":      field(1, field(listField, "")),
		"empty texts":       field(1, field(textField, "")),
	} {
		t.Run(name, func(t *testing.T) {
			body := metadataOf("a", field(listField, strings.Repeat(element, 900_000/len(element))))
			g := newGateway()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := answerOf(g.post(body, "Content-Type", "application/proto"))
			runtime.ReadMemStats(&after)
			if got.status != http.StatusBadRequest {
				t.Errorf("%+v", got)
			}
			if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > charged*int64(len(body))*5/4 { // garbage counts here, and there is some
				t.Errorf("decoding %d bytes allocated %d, %d for each", len(body), grown, grown/int64(len(body)))
			}
		})
	}
	t.Run("beyond the budget nothing is decoded", func(t *testing.T) {
		g := newGateway()
		g.Budget = intake.NewBudget(1 << 20)
		body := metadataOf("a", field(listField, strings.Repeat(field(1, ""), 50_000)))
		w := g.post(body, "Content-Type", "application/proto")
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "" || g.Budget.Used() != 0 {
			t.Errorf("status %d, %d bytes held: %s", w.Code, g.Budget.Used(), w.Body)
		}
	})
}
