package serve

import (
	"iter"
	"maps"
	"strings"
)

// maxMisspelled is longer than any key.
const maxMisspelled = 64

// nearest returns the key or section that a misspelling was probably meant to
// be, or "" when none is close.
func nearest(name string) string {
	return Nearest(name, maps.Keys(candidates(strings.Count(name, "."))))
}

// Nearest returns the candidate that a misspelling was probably meant to be, or
// "" when none is close.
func Nearest(name string, candidates iter.Seq[string]) string {
	if len(name) > maxMisspelled {
		return ""
	}
	best, least := "", len(name)/3+2
	for candidate := range candidates {
		if d := distance(name, candidate); d < least || d == least && best != "" && candidate < best {
			best, least = candidate, d
		}
	}
	return best
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

// distance is the least number of insertions, deletions, replacements and
// swaps of neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
