package daybook

import (
	"context"
	"log/slog"
	"slices"
)

// The attributes that make a log record an event.
const (
	slogEventName = "event.name"
	slogEventType = "event.type"
)

// SlogHandler returns a handler that records the log records which carry the
// attribute "event.name" as events: their attributes become the event's, with "level"
// and "message"; "event.type" is its type, Log without it. All records are
// handed on to next as well; a nil next ends them here.
//
// Records from Info on are taken whatever the level of next. What this package
// logs itself, also through [LogTo], never becomes an event.
func (c *Client) SlogHandler(next slog.Handler) slog.Handler {
	if next == nil {
		next = slog.DiscardHandler
	}
	return &slogHandler{client: c, next: next}
}

type slogHandler struct {
	client *Client
	next   slog.Handler

	name   string
	typ    Type
	groups []slogGroup // the outermost, which has no name, first; empty = no attributes yet
}

// A slogGroup holds the attributes that were given inside an open group.
type slogGroup struct {
	name  string
	attrs []slog.Attr
}

// Enabled implements [slog.Handler].
func (h *slogHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo && h.client.Disabled() == "" || h.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (h *slogHandler) Handle(ctx context.Context, r slog.Record) error {
	if ctx == nil || ctx.Value(ownLineKey{}) == nil {
		h.record(ctx, &r)
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// record records r where it is an event.
func (h *slogHandler) record(ctx context.Context, r *slog.Record) {
	with := *h
	list := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		list = append(list, a)
		return true
	})
	with.add(list)
	if with.name == "" {
		return
	}
	attrs := []slog.Attr{slog.String("level", r.Level.String())}
	if r.Message != "" {
		attrs = append(attrs, slog.String("message", r.Message))
	}
	attrs = append(attrs, with.nested()...)
	if h.client.Disabled() != "" {
		return
	}
	typ := with.typ
	if typ == "" {
		typ = Log
	}
	h.client.record(ctx, entry{typ: typ, name: with.name, at: r.Time}, attrs)
}

// add adds attributes to the innermost open group. Those that name the event
// are looked for where no group is open.
func (h *slogHandler) add(list []slog.Attr) {
	if len(h.groups) == 0 {
		h.groups = []slogGroup{{}}
	}
	h.groups = slices.Clone(h.groups)
	last := &h.groups[len(h.groups)-1]
	last.attrs = slices.Clone(last.attrs)
	for _, a := range list {
		switch {
		case len(h.groups) > 1:
		case a.Key == slogEventName:
			h.name = a.Value.Resolve().String()
			continue
		case a.Key == slogEventType:
			h.typ = Type(a.Value.Resolve().String())
			continue
		}
		last.attrs = append(last.attrs, a)
	}
}

// nested returns all attributes, those of groups inside them.
func (h *slogHandler) nested() []slog.Attr {
	var inner []slog.Attr
	for i, g := range slices.Backward(h.groups) {
		all := append(slices.Clone(g.attrs), inner...)
		if i == 0 {
			return all
		}
		inner = []slog.Attr{{Key: g.name, Value: slog.GroupValue(all...)}}
	}
	return inner
}

// WithAttrs implements [slog.Handler].
func (h *slogHandler) WithAttrs(list []slog.Attr) slog.Handler {
	with := *h
	with.add(list)
	with.next = h.next.WithAttrs(list)
	return &with
}

// WithGroup implements [slog.Handler].
func (h *slogHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.add(nil)
	with.groups = append(with.groups, slogGroup{name: name})
	with.next = h.next.WithGroup(name)
	return &with
}
