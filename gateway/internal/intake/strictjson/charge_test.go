package strictjson_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/intake/strictjson"
)

// manyNames is an object of n members under short names, plain or escaped.
func manyNames(n int, escape string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"%s%x":0`, escape, i)
	}
	return "{" + b.String()[1:] + "}"
}

func TestWhatAScannerTakesIsChargedBefore(t *testing.T) {
	for _, escape := range []string{"", `\u0061`} {
		text := []byte(manyNames(112_000, escape))
		out := make([]byte, 0, len(text))
		var charged uint64
		s := strictjson.Scanner{Charge: func(bytes int) bool { charged += uint64(bytes); return true }}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.Reset(text)
		s.AppendValue(out, 64)
		runtime.ReadMemStats(&after)
		if s.Broken().Is() || s.Flaw().Is() {
			t.Fatal(s.Broken(), s.Flaw())
		}
		const stack = 1 << 10
		if took := after.TotalAlloc - before.TotalAlloc; took < uint64(len(text)) || took > charged*5/4+stack { // sizes are rounded up
			t.Errorf("%q: %d bytes of names took %d, charged were %d", escape, len(text), took, charged)
		}
	}
}

func TestWithoutMemoryAScannerStops(t *testing.T) {
	text := []byte(manyNames(1_000, `\u0061`))
	for left := range 100 {
		left *= 1_000
		s := strictjson.Scanner{Charge: func(bytes int) bool { left -= bytes; return left >= 0 }}
		s.Reset(text)
		s.AppendValue(nil, 64)
		if stopped := s.Broken().Reason == strictjson.NoMemory; stopped != (left < 0) {
			t.Errorf("broken %+v with %d bytes left", s.Broken(), left)
		}
	}
}
