package serve

import (
	"fmt"
	"slices"
	"strings"

	"daybook.dev/gateway/internal/nearest"
)

// otherVariables begin like keys and are something else: what commands take
// besides the configuration, what the tests of this program take, and what
// Kubernetes sets for a service that is called daybook.
var otherVariables = []string{
	"DAYBOOK_GATEWAY", "DAYBOOK_KEY",
	"DAYBOOK_CHILD", "DAYBOOK_CRASH_", "DAYBOOK_LAB", "DAYBOOK_REQUIRE", "DAYBOOK_SEED", "DAYBOOK_TEST",
	"DAYBOOK_PORT", "DAYBOOK_SERVICE_",
}

// CheckVariables remarks on environment variables, given as NAME=VALUE, that
// look like keys and are none. Nothing reads them, so that they stop nothing.
func CheckVariables(environ []string) []Finding {
	keys := map[string]bool{}
	var names []string
	for _, k := range Keys() {
		keys[k.Env()] = true
		names = append(names, k.Env())
	}
	var findings []Finding
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "DAYBOOK_") || keys[name] || isOther(name) {
			continue
		}
		detail := name + " is set and is no key of the configuration"
		if near := nearest.Name(name, slices.Values(names)); near != "" {
			detail += fmt.Sprintf("; did you mean %s?", near)
		}
		findings = append(findings, Finding{"environment", true, detail})
	}
	return findings
}

func isOther(name string) bool {
	return slices.ContainsFunc(otherVariables, func(begin string) bool { return strings.HasPrefix(name, begin) })
}
