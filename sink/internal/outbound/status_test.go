package outbound_test

import (
	"testing"
	"time"

	"daybook.dev/sink/internal/outbound"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, time.November, 21, 9, 35, 43, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "1": time.Second, "3600": time.Hour, "3601": time.Hour, "99999999999999999999": time.Hour,
		"-1": 0, "-99999999999999999999": 0, "1.5": 0, "soon": 0, "7 ": 0,
		"Sat, 21 Nov 2026 09:35:53 GMT":    10 * time.Second,
		"Sat, 21 Nov 2026 09:35:43 GMT":    0,
		"Fri, 20 Nov 2026 09:35:43 GMT":    0,
		"Sun, 22 Nov 2026 09:35:43 GMT":    time.Hour,
		"Saturday, 21-Nov-26 09:35:53 GMT": 10 * time.Second,
	} {
		if got := outbound.RetryAfter(text, now); got != want {
			t.Errorf("Retry-After %q is a wait of %v, want %v", text, got, want)
		}
	}
}
