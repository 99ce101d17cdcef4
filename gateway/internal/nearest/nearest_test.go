package nearest_test

import (
	"slices"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/nearest"
)

func TestTheNearestNameIsTheOneMeant(t *testing.T) {
	names := []string{"event_id", "event_name", "event_ts", "event_type", "actor_id", "metadata"}
	for misspelt, want := range map[string]string{
		"event_neam":                     "event_name", // letters swapped
		"event_nam":                      "event_name",
		"metdata":                        "metadata",
		"Metadata":                       "metadata",
		"event_tx":                       "event_ts",
		"elsewhere":                      "", // nothing like it
		"":                               "",
		"event_name":                     "event_name",
		strings.Repeat("event_name", 10): "",
	} {
		for range 2 {
			if got := nearest.Name(misspelt, slices.Values(names)); got != want {
				t.Errorf("%q: %q, want %q", misspelt, got, want)
			}
			slices.Reverse(names) // their order decides nothing
		}
	}
}
