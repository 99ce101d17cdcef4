package serve

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/store"
)

// applyRules puts into effect what the configuration decides about events, and
// again whenever it changes. An event that is on its way then is decided about by
// the rules before or by those after, never by a mixture.
func (g *Gateway) applyRules(to *admit.Admitter) error {
	prepare := func(c Config) (func(), error) {
		rules, problems := compileRules(c, nil, watch{decided: g.metrics.countDecided, failed: g.metrics.countUndecided})
		if len(problems) > 0 {
			return nil, errors.Join(problems...)
		}
		off, callers := c.Kill.Destinations.set(), c.callerNames()
		return func() {
			for _, name := range c.Kill.Callers.items() {
				if !slices.Contains(callers, name) {
					g.log.Warn("kill.callers names nobody", "caller", name)
				}
			}
			to.Rules.Store(rules)
			g.off.set(off)
		}, nil
	}
	g.onReload(prepare)
	apply, err := prepare(g.config)
	if err != nil {
		return err
	}
	apply()
	return nil
}

// An offSwitch names the destinations that get nothing at present. It is safe for
// concurrent use; the zero value names none.
type offSwitch struct {
	names atomic.Pointer[map[string]bool]
}

func (o *offSwitch) set(names map[string]bool) { o.names.Store(&names) }

func (o *offSwitch) has(name string) bool {
	names := o.names.Load()
	return names != nil && (*names)[name]
}

// A switched is a sink that can be switched off: then it fails as one does whose
// destination is away, so that what is due to it waits and nothing is lost.
type switched struct {
	daybook.Sink
	destination string
	off         *offSwitch
}

// offPause is when whoever writes to a destination that is switched off should try
// again.
const offPause = 5 * time.Second

// Write implements [daybook.Sink].
func (s switched) Write(ctx context.Context, events []daybook.Event) error {
	if s.off.has(s.destination) {
		return &daybook.Error{
			Code: daybook.Unavailable, Where: s.destination, Reason: admit.ReasonKilled, RetryAfter: offPause,
			Message: "the destination is switched off: kill.destinations names it",
		}
	}
	return s.Sink.Write(ctx, events)
}

// unlessOff wants nothing while the destination is switched off: for those who
// would wait for it.
func (d *opened) unlessOff(r *store.Record) bool {
	return !d.off.has(d.Name) && (d.wants == nil || d.wants(r))
}
