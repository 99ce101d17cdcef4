package otlp_test

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
)

// both sends logs in each encoding to a service of its own, and says what came
// of it.
func both(t *testing.T, logs plog.Logs, want int, says string) {
	t.Helper()
	for contentType, body := range map[string]string{protobuf: wire(t, logs), asJSON: text(t, logs)} {
		w := post(newService(intaketest.Nowhere{}), contentType, body)
		if w.Code != want || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: status %d, want %d: %.300s", contentType, w.Code, want, w.Body)
		}
	}
}

// TestR20 holds every limit at its exact boundary, in both encodings.
func TestR20(t *testing.T) {
	t.Run("texts of 256 bytes are stored, of 257 refused", func(t *testing.T) {
		for _, name := range []string{"", "event.name", "event.type", "log.record.uid", "event.id", "user.id", "enduser.id"} {
			for n, want := range map[int]int{255: 200, 256: 200, 257: 400} {
				logs, r := oneRecord()
				if name == "" {
					r.SetEventName(strings.Repeat("x", n))
				} else {
					r.Attributes().PutStr(name, strings.Repeat("x", n))
				}
				if name == "event.type" {
					r.SetEventName("a") // the type of a line of a log is log
				}
				both(t, logs, want, map[int]string{200: "", 400: "text_too_long"}[want])
			}
		}
	})
	t.Run("10,000 records are stored, one more refused as a whole", func(t *testing.T) {
		for n, want := range map[int]int{9_999: 200, 10_000: 200, 10_001: 413} {
			logs := plog.NewLogs()
			for i := range n { // each where none is beside it, and many together
				if i%100 == 0 {
					logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
				}
				logs.ResourceLogs().At(i / 100).ScopeLogs().At(0).LogRecords().AppendEmpty()
			}
			both(t, logs, want, map[int]string{200: "", 413: "more than 10000 records"}[want])
		}
	})
	t.Run("a record of 1 MiB with its resource is stored, one byte more refused", func(t *testing.T) {
		const limit, around = 1 << 20, len("log") + len("log") + len("uid") + len(`{"body":"","attributes":{"log.record.uid":"uid"},"resource":{"attributes":{"a":"b"}}}`)
		for n, want := range map[int]int{limit - 1: 200, limit: 200, limit + 1: 400} {
			logs, r := oneRecord()
			logs.ResourceLogs().At(0).Resource().Attributes().PutStr("a", "b")
			r.Attributes().PutStr("log.record.uid", "uid")
			r.Body().SetStr(strings.Repeat("y", n-around))
			both(t, logs, want, map[int]string{200: "", 400: "event_too_large"}[want])
		}
	})
	t.Run("64 levels are stored, 65 refused", levelsAtTheLimit)
	t.Run("bodies as sent and decompressed", bodiesAtTheLimit)
}

func levelsAtTheLimit(t *testing.T) {
	for at, first := range map[string]int{"body": 2, "attributes": 3, "resource": 4} {
		for _, kind := range []string{"maps", "lists", "bytes at the bottom"} {
			for n, want := range map[int]int{63: 200, 64: 200, 65: 400} {
				logs, r := oneRecord()
				v := r.Body()
				switch at {
				case "attributes":
					v = r.Attributes().PutEmpty("a")
				case "resource":
					v = logs.ResourceLogs().At(0).Resource().Attributes().PutEmpty("a")
				}
				nest(v, n-first+1, kind)
				both(t, logs, want, map[int]string{200: "", 400: "too_deep"}[want])
			}
		}
	}
}

func bodiesAtTheLimit(t *testing.T) {
	const limit = 4_000
	for n, want := range map[int]int{limit - 1: 200, limit: 200, limit + 1: 413} {
		padded := "{}" + strings.Repeat(" ", n-2)
		s := newService(intaketest.Nowhere{})
		s.Body = &intake.Body{MaxBytes: limit}
		if w := post(s, asJSON, padded); w.Code != want {
			t.Errorf("%d bytes: status %d", n, w.Code)
		}
		for encoding, packed := range packed(t, padded) {
			s := newService(intaketest.Nowhere{})
			s.Body = &intake.Body{MaxDecoded: limit}
			if w := post(s, asJSON, packed, "Content-Encoding", encoding); w.Code != want {
				t.Errorf("%d bytes in %s: status %d", n, encoding, w.Code)
			}
		}
	}
}

// nest makes v a value of that many levels.
func nest(v pcommon.Value, levels int, kind string) {
	for range levels - 1 {
		if kind == "maps" {
			v = v.SetEmptyMap().PutEmpty("a")
		} else {
			v = v.SetEmptySlice().AppendEmpty()
		}
	}
	if kind == "bytes at the bottom" { // in JSON they are an object
		v.SetEmptyBytes().Append(1)
		return
	}
	v.SetEmptySlice()
}

// packed returns text under every encoding.
func packed(t testing.TB, text string) map[string]string {
	t.Helper()
	var g bytes.Buffer
	w := gzip.NewWriter(&g)
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

// TestR24 sends bodies that expand far beyond the limit, over HTTP, and counts
// what refusing them makes us allocate; the calls' are in TestR24Calls.
func TestR24(t *testing.T) {
	const size = 65 << 20
	for encoding, whole := range packed(t, strings.Repeat(" ", size)) {
		for _, contentType := range []string{asJSON, protobuf} {
			s := newService(intaketest.Nowhere{})
			s.Body = &intake.Body{MaxDecoded: 8 << 20, Budget: s.Budget}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w := post(s, contentType, whole, "Content-Encoding", encoding)
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; w.Code != http.StatusRequestEntityTooLarge || grown > 40<<20 {
				t.Errorf("%s, %s: status %d, %d bytes allocated", encoding, contentType, w.Code, grown)
			}
			if used := s.Budget.Used(); used != 0 {
				t.Errorf("%d bytes are still held", used)
			}
		}
	}
}

// TestWhatTakesMoreMemoryThanItIsLongIsCharged sends what grows when it is
// decoded, to a gateway that has little left: it is refused, and the memory is
// back. What each makes us allocate stays near what was charged.
func TestWhatTakesMoreMemoryThanItIsLongIsCharged(t *testing.T) {
	record := field(12, "a")
	for name, body := range map[string]string{
		"a resource that each of many records gets": field(1, field(1, field(1, field(1, "k")+field(2, field(1, strings.Repeat("x", 1<<20)))))+field(2, strings.Repeat(field(2, record), 1_000))),
		"many empty records":                        field(1, field(2, strings.Repeat(field(2, ""), 9_000))),
		"a text of control characters":              field(1, field(2, field(2, field(5, field(1, strings.Repeat("\x01", 3<<20)))))),
		"many names":                                field(1, field(2, field(2, manyAttributes(200_000)))),
		"empty values in an array":                  field(1, field(2, field(2, field(5, field(5, strings.Repeat(field(1, ""), 1<<20)))))),
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(intaketest.Nowhere{})
			others := s.Budget.Lease()
			const left = 8 << 20
			if err := others.Grow(256<<20 - left); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w := post(s, protobuf, body)
			runtime.ReadMemStats(&after)
			tooMuch := w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "" || w.Code == http.StatusRequestEntityTooLarge
			if !tooMuch {
				t.Errorf("status %d: %.200q", w.Code, w.Body)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 2*left+uint64(len(body)) {
				t.Errorf("refusing %d bytes allocated %d, with %d left", len(body), grown, left)
			}
			if used := s.Budget.Used(); used != 256<<20-left {
				t.Errorf("%d bytes are still held", used-(256<<20-left))
			}
		})
	}
}

// TestBytesInJSONAreDecodedOnce: a record's bytes may be as long as a body, and what
// they take beside it is paid for before it is taken.
func TestBytesInJSONAreDecodedOnce(t *testing.T) {
	for _, digits := range []string{"-_-_", "+/+/"} {
		body := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"bytesValue":"` + strings.Repeat(digits, 2<<20) + `"}}]}]}]}`
		s := newService(intaketest.Nowhere{})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := post(s, asJSON, body)
		runtime.ReadMemStats(&after)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "event_too_large") {
			t.Errorf("status %d: %.200s", w.Code, w.Body)
		}
		if most, grown := uint64(7*len(body)), after.TotalAlloc-before.TotalAlloc; grown > most {
			t.Errorf("%d bytes made us allocate %d, more than %d", len(body), grown, most)
		}
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(field(6, field(1, fmt.Sprintf("%x", i))))
	}
	return b.String()
}
