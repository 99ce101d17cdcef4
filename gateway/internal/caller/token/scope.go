package token

import "strings"

// Grants reports whether a token's scopes hold one that grants a wanted scope,
// written service::permission::action. Service and action must be the same; the
// permission must be the wanted one, or lead to it: a token for "events" may do
// what takes "events.debug", and not the other way round.
func Grants(scopes []string, wanted string) bool {
	for _, scope := range scopes {
		if scope == wanted || leadsTo(scope, wanted) {
			return true
		}
	}
	return false
}

func leadsTo(granted, wanted string) bool {
	g, w := strings.Split(granted, "::"), strings.Split(wanted, "::")
	if len(g) != 3 || len(w) != 3 || g[0] != w[0] || g[2] != w[2] {
		return false
	}
	return g[1] != "" && strings.HasPrefix(w[1], g[1]+".")
}
