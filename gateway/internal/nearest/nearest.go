// Package nearest finds the name that a misspelt one was probably meant to be.
package nearest

import "iter"

// maxMisspelt is longer than any name that people are asked to write.
const maxMisspelt = 64

// Name returns the candidate that a misspelling was probably meant to be, or ""
// when none is close. Of two that are equally close it is the first in the
// alphabet, whatever the order of the candidates.
func Name(misspelt string, candidates iter.Seq[string]) string {
	if len(misspelt) > maxMisspelt {
		return ""
	}
	best, least := "", len(misspelt)/3+2
	for candidate := range candidates {
		if d := distance(misspelt, candidate); d < least || d == least && best != "" && candidate < best {
			best, least = candidate, d
		}
	}
	return best
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
