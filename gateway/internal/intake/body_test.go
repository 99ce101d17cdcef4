package intake_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

func request(body io.Reader, encoding string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.ContentLength = -1
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	return r
}

func gzipped(t testing.TB, texts ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, text := range texts {
		w := gzip.NewWriter(&b)
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func zstded(t testing.TB, options []zstd.EOption, texts ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, text := range texts {
		w, err := zstd.NewWriter(&b, append(options, zstd.WithEncoderConcurrency(1))...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// noise is text that does not compress to almost nothing.
func noise(n int) string {
	const block = 64 << 10 // further back than gzip looks for a repetition
	source := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, min(n, block))
	for i := range b {
		b[i] = "0123456789abcdef"[source.IntN(16)]
	}
	return strings.Repeat(string(b), n/block+1)[:n]
}

func TestABodyIsReadAsItWasMeant(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 4097, 65_536, 1 << 20, 1<<20 + 1} {
		for name, text := range map[string]string{"noise": noise(size), "blanks": strings.Repeat(" ", size)} {
			half := size / 2
			for encoding, body := range map[string]string{
				"":         text,
				"identity": text,
				"gzip":     gzipped(t, text),
				"x-gzip":   gzipped(t, text[:half], text[half:]),
				"zstd":     zstded(t, nil, text),
				"ZSTD":     zstded(t, nil, text[:half], text[half:]),
				"zstd ":    zstded(t, []zstd.EOption{zstd.WithWindowSize(8 << 20)}, text),
				" gzip":    gzipped(t, text, "", ""),
				"zstd\t":   zstded(t, []zstd.EOption{zstd.WithSingleSegment(true)}, text),
			} {
				budget := intake.NewBudget(64 << 20)
				b := &intake.Body{Budget: budget}
				got, err := b.Read(request(iotest.HalfReader(strings.NewReader(body)), encoding))
				if err != nil {
					t.Fatalf("%d bytes of %s, %q: %v", size, name, encoding, err)
				}
				if string(got.Bytes()) != text {
					t.Errorf("%d bytes of %s, %q: read %d others", size, name, encoding, len(got.Bytes()))
				}
				if got.Release(); budget.Used() != 0 {
					t.Errorf("%d bytes of %s, %q: %d bytes are still held", size, name, encoding, budget.Used())
				}
			}
		}
	}
}

func TestABodyOfAnySizeAndShapeIsDecompressed(t *testing.T) {
	source := rand.New(rand.NewPCG(3, 4))
	b := &intake.Body{}
	for range 12 {
		size, unit := source.IntN(4<<20), noise(1+source.IntN(3000))
		text := strings.Repeat(unit, size/len(unit)+1)[:size]
		cut := source.IntN(size + 1)
		parts := []string{text[:cut], text[cut:], ""}
		level := zstd.WithEncoderLevel(zstd.EncoderLevel(1 + source.IntN(4)))
		for encoding, body := range map[string]string{
			"gzip": gzipped(t, parts...),
			"zstd": zstded(t, []zstd.EOption{level}, parts...),
			"ZSTD": zstded(t, []zstd.EOption{level, zstd.WithSingleSegment(true)}, text),
		} {
			got, err := b.Read(request(strings.NewReader(body), encoding))
			if err != nil || string(got.Bytes()) != text {
				t.Fatalf("%s of %d and %d bytes: %v", encoding, cut, size-cut, err)
			}
			got.Release()
		}
	}
}

func TestABodyThatIsNotWhatItSaysIsRefused(t *testing.T) {
	text := noise(10_000)
	g, z := gzipped(t, text), zstded(t, nil, text)
	flip := func(s string, at int) string { return s[:at] + string([]byte{s[at] ^ 0xff}) + s[at+1:] }
	for name, c := range map[string]struct{ encoding, body, reason string }{
		"gzip that is none":             {"gzip", text, "invalid_compression"},
		"gzip cut short":                {"gzip", g[:len(g)-5], "invalid_compression"},
		"gzip cut short in its name":    {"gzip", "\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\xffevents", "invalid_compression"},
		"a second gzip cut short so":    {"gzip", g + "\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\xffevents", "invalid_compression"},
		"gzip of nothing at all":        {"gzip", "", "invalid_compression"},
		"gzip with a wrong checksum":    {"gzip", flip(g, len(g)-6), "invalid_compression"},
		"gzip with a wrong size":        {"gzip", flip(g, len(g)-1), "invalid_compression"},
		"gzip with trailing data":       {"gzip", g + "x", "invalid_compression"},
		"zstd that is none":             {"zstd", text, "invalid_compression"},
		"zstd cut short":                {"zstd", z[:len(z)-5], "invalid_compression"},
		"zstd with a wrong checksum":    {"zstd", flip(z, len(z)-1), "invalid_compression"},
		"zstd with trailing data":       {"zstd", z + "x", "invalid_compression"},
		"zstd with a very large window": {"zstd", zstded(t, []zstd.EOption{zstd.WithWindowSize(64 << 20)}, strings.Repeat(text, 900)), "window_too_large"},
		"deflate":                       {"deflate", text, "unsupported_encoding"},
		"two encodings":                 {"gzip,gzip", text, "unsupported_encoding"},
	} {
		t.Run(name, func(t *testing.T) {
			budget := intake.NewBudget(64 << 20)
			_, err := (&intake.Body{Budget: budget}).Read(request(strings.NewReader(c.body), c.encoding))
			if err == nil || err.Reason != c.reason || strings.Contains(err.Message, "\n") {
				t.Errorf("got %v, want %s", err, c.reason)
			}
			if budget.Used() != 0 {
				t.Errorf("%d bytes are still held", budget.Used())
			}
		})
	}
}

func TestAnAnnouncedSizeBeyondTheLimitIsRefusedUnread(t *testing.T) {
	r := request(iotest.ErrReader(errors.New("nobody may read this")), "")
	r.ContentLength = 101
	if _, err := (&intake.Body{MaxBytes: 100}).Read(r); err == nil || err.Code != daybook.TooLarge {
		t.Errorf("got %v", err)
	}
}

// slow is a body that announces much, sends little, and says what the budget
// holds at each read.
type slow struct {
	budget *intake.Budget
	left   int
	sent   int64
	worst  int64 // most held beyond twice what was sent
}

func (s *slow) Read(p []byte) (int, error) {
	s.worst = max(s.worst, s.budget.Used()-2*s.sent)
	if s.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := min(len(p), s.left, 100)
	s.left -= n
	s.sent += int64(n)
	return n, nil
}

func TestASlowBodyHoldsNoMoreThanTwiceWhatItHasSent(t *testing.T) {
	budget := intake.NewBudget(64 << 20)
	s := &slow{budget: budget, left: 300_000}
	r := request(s, "")
	r.ContentLength = 16 << 20
	if _, err := (&intake.Body{Budget: budget}).Read(r); err == nil || err.Reason != "body_incomplete" {
		t.Errorf("got %v", err)
	}
	const smallest = 4 << 10
	if s.worst > smallest {
		t.Errorf("it held %d bytes beyond twice what it had sent", s.worst)
	}
	if budget.Used() != 0 {
		t.Errorf("%d bytes are still held", budget.Used())
	}
}

func TestWithoutMemoryABodyIsRefusedAndCounted(t *testing.T) {
	text := noise(1 << 20)
	for encoding, body := range map[string]string{"": text, "gzip": gzipped(t, text), "zstd": zstded(t, nil, text)} {
		budget := intake.NewBudget(32 << 20)
		others := budget.Lease()
		if err := others.Grow(31 << 20); err != nil {
			t.Fatal(err)
		}
		shed := map[string]int{}
		budget.Shed = func(reason string) { shed[reason]++ }
		_, err := (&intake.Body{Budget: budget}).Read(request(strings.NewReader(body), encoding))
		if err == nil || err.Code != daybook.Exhausted || err.Reason != "memory_exhausted" || err.RetryAfter <= 0 {
			t.Errorf("%q: got %v", encoding, err)
		}
		if shed["memory_exhausted"] != 1 || budget.Used() != 31<<20 {
			t.Errorf("%q: counted %v, %d bytes are still held", encoding, shed, budget.Used())
		}
	}
}

func TestARequestThatNeedsMoreThanAllMemoryIsTooLarge(t *testing.T) {
	text := noise(1 << 20)
	for encoding, body := range map[string]string{"": text, "gzip": gzipped(t, text), "zstd": zstded(t, nil, text)} {
		budget := intake.NewBudget(1 << 20)
		budget.Shed = func(string) { t.Errorf("%q: counted as for want of memory", encoding) }
		_, err := (&intake.Body{Budget: budget}).Read(request(strings.NewReader(body), encoding))
		if err == nil || err.Code != daybook.TooLarge || err.Reason != "body_too_large" || err.RetryAfter != 0 {
			t.Errorf("%q: got %v", encoding, err)
		}
		if budget.Used() != 0 {
			t.Errorf("%q: %d bytes are still held", encoding, budget.Used())
		}
	}
}

func TestWhatIsHeldIsReturnedOnce(t *testing.T) {
	budget := intake.NewBudget(1 << 20)
	text, err := (&intake.Body{Budget: budget}).Read(request(strings.NewReader("{}"), ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := text.Charge(1000); err != nil {
		t.Fatal(err)
	}
	if err := text.Charge(1 << 20); err == nil {
		t.Error("the budget gave more than it has")
	}
	text.Release()
	text.Release()
	if budget.Used() != 0 {
		t.Errorf("%d bytes are still held", budget.Used())
	}
}

// FuzzRead sends any bytes under any encoding through small limits.
func FuzzRead(f *testing.F) {
	text := noise(2_000)
	f.Add(byte(0), []byte(text))
	f.Add(byte(1), []byte(gzipped(f, text, text)))
	f.Add(byte(2), []byte(zstded(f, nil, text, text)))
	f.Add(byte(2), []byte(zstded(f, []zstd.EOption{zstd.WithSingleSegment(true)}, text)))
	f.Fuzz(func(t *testing.T, encoding byte, body []byte) {
		const maxBytes, maxDecoded = 8 << 10, 64 << 10
		budget := intake.NewBudget(32 << 20)
		b := &intake.Body{MaxBytes: maxBytes, MaxDecoded: maxDecoded, Budget: budget}
		got, err := b.Read(request(bytes.NewReader(body), []string{"", "gzip", "zstd"}[encoding%3]))
		if err == nil {
			if len(body) > maxBytes || len(got.Bytes()) > maxDecoded {
				t.Fatalf("%d bytes, %d decompressed, are beyond the limits", len(body), len(got.Bytes()))
			}
			got.Release()
		}
		if budget.Used() != 0 {
			t.Fatalf("%d bytes are still held", budget.Used())
		}
	})
}
