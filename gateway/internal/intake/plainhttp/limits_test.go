package plainhttp_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/plainhttp"
)

// TestR20 holds every limit at its exact boundary.
func TestR20(t *testing.T) {
	t.Run("texts of 255 and 256 bytes are stored, of 257 refused", func(t *testing.T) {
		for _, member := range []string{"event_id", "event_name", "event_type", "actor_id", "idempotency_key"} {
			for n, stored := range map[int]bool{255: true, 256: true, 257: false} {
				body := fmt.Sprintf(`{"event_name":"a",%q:%q}`, member, strings.Repeat("x", n))
				if member == "event_name" {
					body = fmt.Sprintf(`{"event_name":%q}`, strings.Repeat("é", n/2)+strings.Repeat("x", n%2))
				}
				got := parse(t, post(newHandler(&intaketest.Recorder{}), body)).Results[0]
				if (got.Status == "stored") != stored || !stored && (got.Reason != "text_too_long" || got.Field != member) {
					t.Errorf("%s of %d bytes: %+v", member, n, got)
				}
			}
		}
	})
	t.Run("batches of 9,999 and 10,000 events are stored, of 10,001 refused as a whole", func(t *testing.T) {
		for n, status := range map[int]int{9_999: 200, 10_000: 200, 10_001: 413} {
			lines := strings.Repeat(`{"event_name":"a"}`+"\n", n)
			array := "[" + strings.Repeat(`{"event_name":"a"},`, n-1) + `{"event_name":"a"}]`
			for _, body := range []string{lines, array} {
				s := intaketest.Nowhere{}
				w := post(newHandler(s), body)
				got := parse(t, w)
				if w.Code != status || status == 200 && len(got.Results) != n || status != 200 && got.Reason != "too_many_events" {
					t.Errorf("%d events: status %d, %d results, reason %q", n, w.Code, len(got.Results), got.Reason)
				}
			}
		}
	})
	t.Run("an event of 1 MiB is stored, one byte more refused", func(t *testing.T) {
		const limit, name, around = 1 << 20, len("a"), len(`{"x":""}`)
		for n, status := range map[int]string{limit - 1: "stored", limit: "stored", limit + 1: "refused"} {
			body := `{"event_id":"i","event_name":"a","x":"` + strings.Repeat("y", n-name-around-len("i")) + `"}`
			got := parse(t, post(newHandler(intaketest.Nowhere{}), body)).Results[0]
			if got.Status != status || status == "refused" && got.Reason != "event_too_large" {
				t.Errorf("%d bytes: %+v", n, got)
			}
		}
	})
	t.Run("a request of 16 MiB is read, one byte more refused", func(t *testing.T) {
		for _, limit := range []int{16 << 20, 1_000} {
			for n, status := range map[int]int{limit - 1: 200, limit: 200, limit + 1: 413} {
				for _, announced := range []bool{true, false} {
					r := httptest.NewRequest(http.MethodPost, plainhttp.Path, strings.NewReader(anEvent+strings.Repeat(" ", n-len(anEvent))))
					if !announced {
						r.ContentLength = -1
					}
					h := newHandler(intaketest.Nowhere{})
					if limit == 1_000 {
						h.Body.MaxBytes = 1_000
					} else if n < limit || n == limit && announced {
						continue // large bodies take long, and small limits count as well
					}
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					if got := parse(t, w); w.Code != status || status != 200 && got.Reason != "body_too_large" {
						t.Errorf("%d bytes, announced %v: status %d, reason %q", n, announced, w.Code, got.Reason)
					}
				}
			}
		}
	})
	t.Run("64 MiB decompressed are read, one byte more refused", func(t *testing.T) {
		for _, limit := range []int{64 << 20, 3 << 20} {
			for n, status := range map[int]int{limit - 1: 200, limit: 200, limit + 1: 413} {
				for encoding, packed := range blanks(t, n) {
					h := newHandler(intaketest.Nowhere{})
					if limit == 3<<20 {
						h.Body.MaxDecoded = 3 << 20
					} else if n < limit || n == limit && encoding == "gzip" {
						continue // as above
					}
					w := post(h, packed, "Content-Encoding", encoding)
					if got := parse(t, w); w.Code != status || status != 200 && got.Reason != "body_too_large" {
						t.Errorf("%s of %d bytes: status %d, reason %q", encoding, n, w.Code, got.Reason)
					}
				}
			}
		}
	})
	t.Run("metadata of 64 levels is stored, of 65 refused", func(t *testing.T) {
		for n, status := range map[int]string{63: "stored", 64: "stored", 65: "refused", 1_000: "refused"} {
			nested := strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1)
			got := parse(t, post(newHandler(intaketest.Nowhere{}), `{"event_name":"a","metadata":`+nested+`}`)).Results[0]
			if got.Status != status || status == "refused" && (got.Reason != "too_deep" || got.Field != "metadata") {
				t.Errorf("%d levels: %+v", n, got)
			}
		}
	})
}

const anEvent = `{"event_name":"a"}`

// blanks returns an event followed by blanks, n bytes together, under every
// encoding.
func blanks(t testing.TB, n int) map[string]string {
	t.Helper()
	const part = 1 << 20
	whole, rest := (n-len(anEvent))/part, (n-len(anEvent))%part
	bodies := compressed(t, anEvent+strings.Repeat(" ", rest))
	for encoding, packed := range compressed(t, strings.Repeat(" ", part)) {
		bodies[encoding] += strings.Repeat(packed, whole)
	}
	return bodies
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

// TestR22 sends JSON that breaks parsers. Small cases are in test/wire/http.
func TestR22(t *testing.T) {
	deep := strings.Repeat("[", 10_000_000)
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"%x":0,`, i)
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		body   string
		status int
		reason string
	}{
		"ten million brackets":             {deep, 400, "too_deep"},
		"ten million brackets in a member": {`{"event_name":"a","x":` + deep, 400, "too_deep"},
		"100,000 levels, closed":           {`{"event_name":"a","x":` + deep[:100_000] + strings.Repeat("]", 100_000) + `}`, 400, "too_deep"},
		"100,000 objects in each other":    {`[{"event_name":"a","x":` + strings.Repeat(`{"a":`, 100_000), 400, "too_deep"},
		"a number of a million digits":     {`{"event_name":"a","n":` + strings.Repeat("9", 1_000_000) + `}`, 200, ""},
		"100,000 members":                  {`{"event_name":"a",` + names(100_000) + `"x":0}`, 200, ""},
		"100,000 members, the last twice":  {`{"event_name":"a",` + names(100_000) + `"1869f":0}`, 400, "duplicate_name"},
		"a million members":                {`{"event_name":"a",` + names(1_000_000) + `"x":0}`, 400, "event_too_large"},
		"an array of a million brackets":   {"[" + strings.Repeat("[],", 5_000) + "{}]", 400, "not_an_object"},
		"a string without an end":          {`{"event_name":"` + strings.Repeat("x", 1<<20), 400, "invalid_json"},
		"a million quotes":                 {strings.Repeat(`"`, 1_000_000), 400, "invalid_json"},
		"a million blank lines":            {strings.Repeat("\r\n", 1_000_000), 400, "empty_body"},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(newHandler(intaketest.Nowhere{}), c.body)
			got := parse(t, w)
			reason := got.Reason
			if len(got.Results) > 0 {
				reason = got.Results[0].Reason
			}
			if w.Code != c.status || reason != c.reason {
				t.Errorf("status %d, reason %q; want %d, %q", w.Code, reason, c.status, c.reason)
			}
		})
	}
}

// TestR24 sends bodies that expand far beyond the limit, and counts what that
// makes us allocate.
func TestR24(t *testing.T) {
	const size = 65 << 20
	blanks := strings.Repeat(" ", size)
	part := compressed(t, blanks[:1<<20])
	for encoding, whole := range compressed(t, blanks) {
		for name, body := range map[string]string{
			"one member":  whole,
			"300 members": strings.Repeat(part[encoding], 300),
		} {
			t.Run(encoding+" of "+name, func(t *testing.T) {
				h := newHandler(intaketest.Nowhere{})
				h.Body = &intake.Body{Budget: intake.NewBudget(64 << 20)}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				w := post(h, body, "Content-Encoding", encoding)
				runtime.ReadMemStats(&after)
				if got := parse(t, w); w.Code != http.StatusRequestEntityTooLarge || got.Reason != "body_too_large" {
					t.Errorf("status %d, reason %q", w.Code, got.Reason)
				}
				if grown := after.TotalAlloc - before.TotalAlloc; grown > 48<<20 {
					t.Errorf("refusing it allocated %d bytes, the limit is 64 MiB", grown)
				}
				if used := h.Body.Budget.Used(); used != 0 {
					t.Errorf("%d bytes of the budget are still held", used)
				}
			})
		}
	}
}

// TestR28 spoofs what only the gateway says.
func TestR28(t *testing.T) {
	s := &intaketest.Recorder{}
	h := newHandler(s)
	spoof := `"ingested_at":"1999-01-01T00:00:00Z","caller":"root","protocol":"grpc","instance":"evil","_eventLog":{"user":"root"}`
	for _, body := range []string{
		`{"event_name":"a",` + spoof + `}`,
		`[{"event_name":"a",` + spoof + `}]`,
		`{"event_name":"a","metadata":{"_eventLog":{"user":"root"}}}`,
		`{"event_name":"a","metadata":{"\u005feventLog":1},"\u005feventLog":1}`,
	} {
		if w := post(h, body); w.Code != 200 {
			t.Errorf("%s: status %d: %s", body, w.Code, w.Body)
		}
	}
	for i, r := range s.Records() {
		if r.Caller != "anonymous" || r.Protocol != "http" || r.Instance != "test" || !r.Received.Equal(intaketest.Noon) {
			t.Errorf("record %d believes the caller: %+v", i, r)
		}
		if m := string(r.Event.Metadata); strings.Contains(m, "eventLog") || strings.Contains(m, "root") {
			t.Errorf("record %d keeps what is reserved: %s", i, m)
		}
	}
	t.Run("an id stored by somebody else is not taken over", func(t *testing.T) {
		if got := parse(t, post(h, `{"event_id":"id-1","event_name":"other"}`)); got.Results[0].Code != "conflict" {
			t.Errorf("%+v", got.Results[0])
		}
	})
}
