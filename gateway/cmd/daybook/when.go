package main

import (
	"slices"
	"strings"
	"time"

	"daybook.dev/gateway/internal/serve"
)

// parseWhen reads the value of a flag that means a moment: one of words, a time,
// or how long ago that was. It returns the word or the time as RFC 3339.
func parseWhen(flag, text string, now time.Time, words ...string) (string, error) {
	if text == "" || slices.Contains(words, text) {
		return text, nil
	}
	if _, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return text, nil
	}
	ago, err := serve.ParseDuration(text)
	if err != nil || ago < 0 {
		known := strings.Join(append(words, "a time such as 2026-01-31T12:00:00Z"), ", ")
		return "", wrongUsage("--%s: %q is not %s, or how long ago, such as 90m or 7d", flag, text, known)
	}
	return now.Add(-ago).UTC().Format(time.RFC3339Nano), nil
}
