package serve

import (
	"context"
	"errors"
	"strings"

	"daybook.dev"
	"daybook.dev/gateway/internal/store/direct"
	"daybook.dev/sink"
)

// openDirect makes a store of the destination that is to be one.
func (g *Gateway) openDirect() {
	d := g.destination(g.config.Store)
	o := direct.Options{
		Name: d.Name, Sink: d.sink, Check: couldTake(d.sink),
		MaxEvents: d.Batch.Events, MaxBytes: int(d.Batch.Bytes), Writes: d.Concurrency, Within: d.Timeout,
		Observe: g.metrics.observeDirect(),
	}
	if letters := g.destination(g.config.DeadLetters); letters != nil {
		o.DeadLetters = letters.sink
	}
	g.store = direct.Open(o)
}

// destination returns the opened destination of that name, or nil.
func (g *Gateway) destination(name string) *opened {
	for _, d := range g.destinations {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// couldTake returns what says that a destination could take a write, where it
// can be asked without writing.
func couldTake(s daybook.Sink) func(context.Context) error {
	p, ok := s.(sink.Provisioner)
	if !ok {
		return nil
	}
	return func(ctx context.Context) error {
		missing, err := p.Missing(ctx)
		if err == nil && len(missing) > 0 {
			err = errors.New("the destination lacks what daybook check --destinations prints: " + firstLine(missing[0]) + " …")
		}
		return err
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
