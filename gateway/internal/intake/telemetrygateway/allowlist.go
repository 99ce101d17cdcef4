package telemetrygateway

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// Allowed is what of private_metadata may be kept: keys, sorted, by
// "feature/action" or "feature/*". Nil allows nothing.
type Allowed map[string][]string

const (
	allowlistSeparator = "::"
	anyAction          = "*"
)

// ParseAllowed reads what is allowed. Each entry is feature::action::key1::key2…,
// where the action * stands for all actions of the feature that have no entry of
// their own.
func ParseAllowed(list []string) (Allowed, error) {
	all := Allowed{}
	for _, entry := range list {
		parts := strings.Split(entry, allowlistSeparator)
		if len(parts) < 3 || slices.Contains(parts, "") {
			return nil, fmt.Errorf("%q is not feature::action::key1::key2, such as search::run::query", entry)
		}
		feature, action := parts[0], parts[1]
		if !validWord(feature) {
			return nil, fmt.Errorf("%q: %s can be no feature: %s", entry, feature, wordRule)
		}
		if action != anyAction && !validWord(action) {
			return nil, fmt.Errorf("%q: %s can be no action: %s, or *", entry, action, wordRule)
		}
		event := feature + "/" + action
		all[event] = append(all[event], parts[2:]...)
	}
	for event := range all {
		slices.Sort(all[event])
		all[event] = slices.Compact(all[event])
	}
	return all, nil
}

// of returns the keys that may be kept of an event, sorted. An entry of its own
// counts instead of its feature's, not beside it.
func (a Allowed) of(feature, action []byte) []string {
	if len(a) == 0 {
		return nil
	}
	if keys, ok := a[string(feature)+"/"+string(action)]; ok {
		return keys
	}
	return a[string(feature)+"/"+anyAction]
}

// An Allowlist is what is allowed at present. The zero value and nil allow nothing.
// It is safe for concurrent use.
type Allowlist struct{ now atomic.Pointer[Allowed] }

// Set replaces what is allowed, for the payloads that come from now on.
func (l *Allowlist) Set(a Allowed) { l.now.Store(&a) }

func (l *Allowlist) current() Allowed {
	if l == nil {
		return nil
	}
	if a := l.now.Load(); a != nil {
		return *a
	}
	return nil
}
