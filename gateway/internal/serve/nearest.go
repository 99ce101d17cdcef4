package serve

import (
	"maps"
	"strings"

	"daybook.dev/gateway/internal/nearest"
)

// nearestKey returns the key or section that a misspelling was probably meant to
// be, or "" when none is close.
func nearestKey(name string) string {
	return nearest.Name(name, maps.Keys(candidates(strings.Count(name, "."))))
}

// candidates returns the keys and sections with that many dots.
func candidates(dots int) map[string]bool {
	names := map[string]bool{}
	for _, k := range Keys() {
		parts := strings.Split(k.Name, ".")
		if len(parts) > dots {
			names[strings.Join(parts[:dots+1], ".")] = true
		}
	}
	return names
}
