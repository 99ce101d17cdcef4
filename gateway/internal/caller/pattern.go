package caller

import (
	"slices"
	"strings"
)

// patterns are names of events in which * stands for any text, also none.
type patterns []string

// match reports whether one of the patterns fits. None fit everything.
func (p patterns) match(name string) bool {
	return len(p) == 0 || slices.ContainsFunc(p, func(pattern string) bool { return matches(pattern, name) })
}

// matches compares with one pattern. The time is at most the product of the two
// lengths, whatever stands in them: a star never has to be tried again once a
// later one has been reached.
func matches(pattern, name string) bool {
	rest, star, resume := pattern, "", ""
	for name != "" {
		switch {
		case strings.HasPrefix(rest, "*"):
			rest = rest[1:]
			star, resume = rest, name
		case rest != "" && rest[0] == name[0]:
			rest, name = rest[1:], name[1:]
		case resume != "": // the last star takes one byte more
			resume = resume[1:]
			rest, name = star, resume
		default:
			return false
		}
	}
	return strings.Trim(rest, "*") == ""
}
