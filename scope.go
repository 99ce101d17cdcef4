package daybook

import (
	"context"
	"log/slog"
	"sync"

	"daybook.dev/internal/attrs"
)

// carriedKey is where a context keeps what it carries for events.
type carriedKey struct{}

// carried is what a context carries. Nobody changes one.
type carried struct {
	fields []attrs.Field
	scope  *scope
}

// A scope collects the attributes that are annotated inside it.
type scope struct {
	outer *scope

	mu     sync.Mutex // guards fields; the fields themselves never change
	fields []attrs.Field
}

// carriedBy returns what ctx carries. A nil context carries nothing.
func carriedBy(ctx context.Context) carried {
	if ctx == nil {
		return carried{}
	}
	c, _ := ctx.Value(carriedKey{}).(*carried)
	if c == nil {
		return carried{}
	}
	return *c
}

// ContextWith returns a context whose events have these attributes besides
// those that ctx gives them. ctx itself is unchanged, and nothing of list is
// kept.
func ContextWith(ctx context.Context, list ...slog.Attr) context.Context {
	fields, _ := attrs.Fields(list)
	c := carriedBy(ctx)
	c.fields = attrs.Merge(c.fields, fields)
	return context.WithValue(ctx, carriedKey{}, &c)
}

// NewScope returns a context in which [Annotate] adds attributes to the events
// recorded later with it, or with a context made from it. So an inner handler
// can add what the event of an outer one says.
func NewScope(ctx context.Context) context.Context {
	c := carriedBy(ctx)
	c.scope = &scope{outer: c.scope}
	return context.WithValue(ctx, carriedKey{}, &c)
}

// Annotate adds attributes to the nearest scope of ctx; where it has none, to
// nothing. Of one key the last annotation counts. Nothing of list is kept.
func Annotate(ctx context.Context, list ...slog.Attr) {
	s := carriedBy(ctx).scope
	if s == nil {
		return
	}
	fields, _ := attrs.Fields(list)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fields = attrs.Merge(s.fields, fields)
}

// addTo adds the attributes of the scope and those around it, the outermost
// first.
func (s *scope) addTo(o *attrs.Object) {
	if s == nil {
		return
	}
	s.outer.addTo(o)
	s.mu.Lock()
	fields := s.fields // Annotate replaces the list and changes none
	s.mu.Unlock()
	o.AddFields(fields)
}
