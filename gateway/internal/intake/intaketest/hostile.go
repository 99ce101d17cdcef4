package intaketest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/store"
)

// An Attacked is an intake of JSON that is sent what breaks others.
type Attacked struct {
	// New returns the intake's handler in front of a store.
	New func(s store.Store, body *intake.Body, maxEvents int) http.Handler

	Path    string
	Headers []string // name and value, of every request

	// Event is a body with one acceptable event that has these members too; they
	// begin with a comma. What they have becomes metadata.
	Event func(members string) string

	// Nested is a body with one event whose metadata nests that many levels.
	Nested func(levels int) string

	// Batch is a body with n acceptable events. Nil where there is one in each
	// request.
	Batch func(n int) string

	// Data says that a body is the data of an event: what is wrong with it as a
	// body is no reason of its own.
	Data bool
}

// Post sends body, with more headers as name and value.
func (a Attacked) Post(h http.Handler, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, a.Path, strings.NewReader(body))
	headers = append(headers, a.Headers...)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// ReasonOf is the reason that an answer gives: for the request, else for the
// first event that has one.
func ReasonOf(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	type event struct{ Reason string }
	var reply struct {
		Reason          string
		Results, Errors []event
	}
	if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil {
		t.Fatalf("the answer is no JSON: %v: %.200s", err, w.Body)
	}
	for _, e := range append(reply.Results, reply.Errors...) {
		if reply.Reason == "" {
			reply.Reason = e.Reason
		}
	}
	return reply.Reason
}

// Torture sends JSON that breaks parsers (R22): each case is refused for the
// reason that is its own, or stored as it was sent.
func (a Attacked) Torture(t *testing.T) {
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%x":0`, i)
		}
		return b.String()
	}
	const brackets = 200_000
	for name, c := range map[string]struct{ body, reason string }{
		"200,000 brackets in a member":     {a.Event(`,"x":` + strings.Repeat("[", brackets)), "too_deep"},
		"200,000 objects in each other":    {a.Event(`,"x":` + strings.Repeat(`{"a":`, brackets)), "too_deep"},
		"100,000 levels, closed":           {a.Event(`,"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)), "too_deep"},
		"a number of 100,000 digits":       {a.Event(`,"x":` + strings.Repeat("9", 100_000)), ""},
		"a number beyond every double":     {a.Event(`,"x":1e400`), ""},
		"50,000 members":                   {a.Event(names(50_000)), ""},
		"50,000 members, the last twice":   {a.Event(names(50_000) + `,"c34f":0`), "duplicate_name"},
		"a name twice, inside":             {a.Event(`,"x":{"a":1,"\u0061":2}`), "duplicate_name"},
		"half of a surrogate pair":         {a.Event(`,"x":"\ud800"`), "lone_surrogate"},
		"bytes that are no UTF-8":          {a.Event(",\"x\":\"\xff\""), "invalid_utf8"},
		"an overlong encoding":             {a.Event(",\"x\":\"\xc0\xaf\""), "invalid_utf8"},
		"bytes that are no UTF-8 in names": {a.Event(",\"\xff\":0"), "invalid_utf8"},
		"NUL, escaped":                     {a.Event(`,"x":"\u0000"`), ""},
		"NUL":                              {a.Event(",\"x\":\"\x00\""), "invalid_json"},
		"a line break in a string":         {a.Event(",\"x\":\"\n\""), "invalid_json"},
		"an escape that is none":           {a.Event(`,"x":"\x41"`), "invalid_json"},
		"a string without an end":          {a.Event(`,"x":"` + strings.Repeat("x", 100_000)), "invalid_json"},
		"01":                               {a.Event(`,"x":01`), "invalid_json"},
		"1.":                               {a.Event(`,"x":1.`), "invalid_json"},
		".5":                               {a.Event(`,"x":.5`), "invalid_json"},
		"+1":                               {a.Event(`,"x":+1`), "invalid_json"},
		"0x1":                              {a.Event(`,"x":0x1`), "invalid_json"},
		"NaN":                              {a.Event(`,"x":NaN`), "invalid_json"},
		"Infinity":                         {a.Event(`,"x":-Infinity`), "invalid_json"},
		"True":                             {a.Event(`,"x":True`), "invalid_json"},
		"single quotes":                    {a.Event(`,'x':1`), "invalid_json"},
		"a comma at the end":               {a.Event(`,"x":1,`), "invalid_json"},
		"a comment":                        {a.Event(`/* */`), "invalid_json"},
		"something behind the value":       {a.Event("") + "x", "invalid_json"},
		"a byte order mark":                {"\xef\xbb\xbf" + a.Event(""), "byte_order_mark"},
		"UTF-16":                           {"\xff\xfe{\x00}\x00", "invalid_json"},
		"200,000 quotes":                   {strings.Repeat(`"`, brackets), "invalid_json"},
		"100,000 blank lines":              {strings.Repeat("\r\n", brackets/2), "empty_body"},
		"64 levels":                        {a.Nested(64), ""},
		"65 levels":                        {a.Nested(65), "too_deep"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Recorder{}
			w := a.Post(a.New(s, &intake.Body{}, 0), c.body)
			reason := ReasonOf(t, w)
			if reason == "not_an_object" && c.reason == "invalid_json" { // a body that must be an object may be looked at no further
				reason = c.reason
			}
			if a.Data && (c.reason == "byte_order_mark" || c.reason == "empty_body") {
				c.reason = "invalid_json"
			}
			if reason != c.reason || (c.reason == "") != (len(s.Records()) == 1) {
				t.Errorf("status %d, reason %q, %d stored; want reason %q: %.200s", w.Code, reason, len(s.Records()), c.reason, w.Body)
			}
		})
	}
}

// Bombs sends bodies that expand far beyond the limit, and counts what that
// makes the intake allocate (R24).
func (a Attacked) Bombs(t *testing.T) {
	part := compressed(t, strings.Repeat(" ", 1<<20))
	for encoding, whole := range compressed(t, strings.Repeat(" ", 24<<20)) {
		for name, body := range map[string]string{"one member": whole, "300 members": strings.Repeat(part[encoding], 300)} {
			t.Run(encoding+", "+name, func(t *testing.T) {
				budget := intake.NewBudget(256 << 20)
				h := a.New(Nowhere{}, &intake.Body{MaxDecoded: 4 << 20, Budget: budget}, 0)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				w := a.Post(h, body, "Content-Encoding", encoding)
				runtime.ReadMemStats(&after)
				if reason := ReasonOf(t, w); w.Code != http.StatusRequestEntityTooLarge || reason != "body_too_large" {
					t.Errorf("status %d, reason %q", w.Code, reason)
				}
				if grown := after.TotalAlloc - before.TotalAlloc; grown > 24<<20 {
					t.Errorf("refusing it allocated %d bytes", grown)
				}
				if used := budget.Used(); used != 0 {
					t.Errorf("%d bytes of the budget are still held", used)
				}
			})
		}
	}
}

// Boundaries holds the limits of bodies and batches at their exact boundaries
// (R20).
func (a Attacked) Boundaries(t *testing.T) {
	event := a.Event("")
	const limit = 4_000
	for n, status := range map[int]int{limit - 1: 200, limit: 200, limit + 1: 413} {
		padded := event + strings.Repeat(" ", n-len(event))
		w := a.Post(a.New(Nowhere{}, &intake.Body{MaxBytes: limit}, 0), padded)
		if w.Code != status || status != 200 && ReasonOf(t, w) != "body_too_large" {
			t.Errorf("a body of %d bytes, %d allowed: status %d", n, limit, w.Code)
		}
		for encoding, packed := range compressed(t, padded) {
			w := a.Post(a.New(Nowhere{}, &intake.Body{MaxDecoded: limit}, 0), packed, "Content-Encoding", encoding)
			if w.Code != status || status != 200 && ReasonOf(t, w) != "body_too_large" {
				t.Errorf("%d bytes in %s, %d allowed: status %d", n, encoding, limit, w.Code)
			}
		}
	}
	if a.Batch == nil {
		return
	}
	for n, status := range map[int]int{9_999: 200, 10_000: 200, 10_001: 413} {
		w := a.Post(a.New(Nowhere{}, &intake.Body{}, 0), a.Batch(n))
		if w.Code != status || status != 200 && ReasonOf(t, w) != "too_many_events" {
			t.Errorf("%d events: status %d: %.200s", n, w.Code, w.Body)
		}
	}
}

// Memory sends what takes more memory than it is long, to a gateway that has
// little left, and expects the truth and the memory back.
func (a Attacked) Memory(t *testing.T) {
	var names strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&names, `,"%x":0`, i)
	}
	hostile := a.Event(names.String())
	harmless := a.Event(`,"x":"` + strings.Repeat("y", len(names.String())) + `"`)
	for body, status := range map[string]int{harmless: http.StatusOK, hostile: http.StatusTooManyRequests} {
		budget := intake.NewBudget(64 << 20)
		others := budget.Lease()
		if err := others.Grow(58 << 20); err != nil {
			t.Fatal(err)
		}
		w := a.Post(a.New(Nowhere{}, &intake.Body{Budget: budget}, 0), body)
		if w.Code != status || status != 200 && w.Header().Get("Retry-After") == "" {
			t.Errorf("%.80s: status %d, want %d: %.200s", body, w.Code, status, w.Body)
		}
		if used := budget.Used(); used != 58<<20 {
			t.Errorf("%.80s: %d bytes are still held", body, used-58<<20)
		}
	}
}

// compressed returns text under every encoding.
func compressed(t testing.TB, text string) map[string]string {
	t.Helper()
	var g bytes.Buffer
	w, err := gzip.NewWriterLevel(&g, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return map[string]string{"gzip": g.String(), "zstd": string(e.EncodeAll([]byte(text), nil))}
}
