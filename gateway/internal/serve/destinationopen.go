package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/sink"
)

// An opened is a destination whose sink is open.
type opened struct {
	Destination
	compiled

	sink daybook.Sink
	off  *offSwitch
}

// openDestinations opens the sinks of all destinations. It contacts nobody, but
// for destinations with migrate: true. After an error none is left open.
func openDestinations(ctx context.Context, c Config, from Origins) ([]*opened, error) {
	var all []*opened
	for i := range c.Destinations {
		d, err := openDestination(ctx, &c.Destinations[i], from)
		if err != nil {
			return nil, errors.Join(err, closeDestinations(ctx, all))
		}
		all = append(all, d)
	}
	return all, nil
}

func openDestination(ctx context.Context, d *Destination, from Origins) (*opened, error) {
	meaning, err := compile(d)
	if err != nil {
		return nil, placed(err, d, from)
	}
	s, err := openSink(ctx, d, from)
	if err != nil {
		return nil, err
	}
	return &opened{Destination: *d, compiled: meaning, sink: s}, nil
}

func openSink(ctx context.Context, d *Destination, from Origins) (daybook.Sink, error) {
	k, _ := kindNamed(d.Type) // the configuration was refused otherwise
	s, err := k.open(ctx, d)
	if err != nil {
		return nil, placed(err, d, from)
	}
	return s, nil
}

// closeDestinations closes the sinks, the last one first.
func closeDestinations(ctx context.Context, all []*opened) error {
	var problems []error
	for _, d := range slices.Backward(all) {
		if err := d.sink.Close(ctx); err != nil {
			problems = append(problems, fmt.Errorf("destinations.%s: %w", d.Name, err))
		}
	}
	return errors.Join(problems...)
}

// migrateWithin is how long a destination may take to make what is missing.
const migrateWithin = 30 * time.Second

// migrate makes what is missing at the destinations that say so. One that cannot
// be reached is no reason not to start: it will be misconfigured or away, and
// delivery says so.
func (g *Gateway) migrate(ctx context.Context) {
	for _, d := range g.destinations {
		p, ok := d.sink.(sink.Provisioner)
		if !d.Migrate || !ok {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, migrateWithin)
		err := p.Create(bounded)
		cancel()
		if err != nil {
			g.log.Error("what a destination needs could not be made there; daybook check --destinations says what is missing",
				"destination", d.Name, "err", err)
			continue
		}
		g.log.Info("a destination has what it needs", "destination", d.Name)
	}
}

// followed is the destination as delivery takes it.
func (d *opened) followed() deliver.Destination {
	f := deliver.Destination{
		Name: d.Name, Sink: switched{Sink: d.sink, destination: d.Name, off: d.off}, Wants: d.wants,
		Batch:       deliver.Batch{Events: d.Batch.Events, Bytes: int(d.Batch.Bytes), Age: d.Batch.Age},
		Concurrency: d.Concurrency, Timeout: d.Timeout,
	}
	if d.shape != nil {
		f.Shape = func(e *daybook.Event) error { d.shape(e); return nil }
	}
	if d.Order == string(deliver.ByActor) {
		f.Order = deliver.ByActor
	}
	f.From.Now = d.From == fromNow
	f.From.Since, _ = d.From.time()
	return f
}

// awaited is the destination as accept takes it. Nobody waits for one that is
// switched off: its events get there by following the journal, if there is one.
func (d *opened) awaited() accept.Destination {
	return accept.Destination{Name: d.Name, Sink: d.sink, Within: d.WaitWithin, Wants: d.unlessOff, Shape: d.shape}
}
