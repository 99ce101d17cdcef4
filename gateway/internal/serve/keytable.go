package serve

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"daybook.dev/gateway/internal/nearest"
)

// A keyTable is the keys that one part of the file may have.
type keyTable []Key

// find returns the key of that name.
func (t keyTable) find(name string) (Key, bool) {
	i := slices.IndexFunc(t, func(k Key) bool { return k.Name == name })
	if i < 0 {
		return Key{}, false
	}
	return t[i], true
}

// isSection reports whether there are keys below name.
func (t keyTable) isSection(name string) bool {
	return slices.ContainsFunc(t, func(k Key) bool { return strings.HasPrefix(k.Name, name+".") })
}

// example returns a key below prefix.
func (t keyTable) example(prefix string) string {
	for _, k := range t {
		if rest, ok := strings.CutPrefix(k.Name, prefix); ok {
			return rest
		}
	}
	return ""
}

// nearest returns the key or section that a misspelling was probably meant to
// be, or "" when none is close.
func (t keyTable) nearest(name string, others ...string) string {
	dots := strings.Count(name, ".")
	candidates := map[string]bool{}
	for _, k := range t {
		if parts := strings.Split(k.Name, "."); len(parts) > dots {
			candidates[strings.Join(parts[:dots+1], ".")] = true
		}
	}
	for _, other := range others {
		candidates[other] = dots == 0
	}
	maps.DeleteFunc(candidates, func(_ string, fits bool) bool { return !fits })
	return nearest.Name(name, maps.Keys(candidates))
}

// takesList reports whether the values of a key may stand in a list.
func (k Key) takesList() bool {
	switch k.typ {
	case reflect.TypeFor[Networks](), reflect.TypeFor[PageOrigins](), reflect.TypeFor[Identities](), reflect.TypeFor[List](), reflect.TypeFor[Secrets]():
		return true
	}
	return false
}
