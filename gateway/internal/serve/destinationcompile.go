package serve

import (
	"fmt"

	"daybook.dev"
	"daybook.dev/gateway/internal/rule"
	"daybook.dev/gateway/internal/store"
)

// compiled is what a destination's where and send mean.
type compiled struct {
	wants func(*store.Record) bool // nil = every event
	shape func(*daybook.Event)     // nil = all of it
	match *rule.Match              // of where; nil = there is none
}

// compile reads where and send of a destination. An error names the key.
func compile(d *Destination) (compiled, error) {
	var c compiled
	if d.Where != "" {
		match, err := rule.Compile(d.Where)
		if err != nil {
			return c, fmt.Errorf("where: %w", err)
		}
		c.match, c.wants = match, match.Matches
	}
	if k, _ := kindNamed(d.Type); k.obeys {
		c.wants = unlessStoreOnly(c.wants)
	}
	if d.Send != "" {
		projection, err := rule.CompileSend(d.Send.items())
		if err != nil {
			return c, fmt.Errorf("send: %w", err)
		}
		c.shape = projection.Apply
	}
	return c, nil
}

// unlessStoreOnly leaves out the events whose callers asked not to forward them.
func unlessStoreOnly(wants func(*store.Record) bool) func(*store.Record) bool {
	return func(r *store.Record) bool { return !r.StoreOnly && (wants == nil || wants(r)) }
}
