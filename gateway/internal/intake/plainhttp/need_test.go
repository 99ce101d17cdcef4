package plainhttp_test

import (
	"net/http"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/plainhttp"
)

// needed is a handler with small limits and just the memory that its largest
// request needs.
func needed(spare int64) *plainhttp.Handler {
	h := newHandler(intaketest.Nowhere{})
	h.MaxEvents = 100
	h.Body = &intake.Body{MaxBytes: 3 << 20, MaxDecoded: 24 << 20}
	h.Body.Budget = intake.NewBudget(h.Body.Need(h.MaxEvents) + spare)
	return h
}

func TestTheLargestRequestFitsIntoWhatItIsSaidToNeed(t *testing.T) {
	events := strings.Repeat(anEvent+"\n", 100)
	sent := events + strings.Repeat(" ", 3<<20-len(events))
	if w := post(needed(0), sent); w.Code != http.StatusOK {
		t.Errorf("as sent: status %d: %s", w.Code, w.Body)
	}
	decoded := events + strings.Repeat(" ", 24<<20-len(events))
	for encoding, body := range compressed(t, decoded) {
		if w := post(needed(0), body, "Content-Encoding", encoding); w.Code != http.StatusOK {
			t.Errorf("%s: status %d: %s", encoding, w.Code, w.Body)
		}
		w := post(needed(-2<<20), body, "Content-Encoding", encoding)
		if got := parse(t, w); w.Code != http.StatusRequestEntityTooLarge || got.Reason != "body_too_large" {
			t.Errorf("%s, 2 MiB less: status %d, reason %q", encoding, w.Code, got.Reason)
		}
	}
}
