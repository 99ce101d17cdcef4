package serve

import (
	"context"
	"errors"
	"path/filepath"
	"sync"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/ledger"
	"daybook.dev/gateway/internal/operations"
	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/replay"
	"daybook.dev/gateway/internal/rule"
	"daybook.dev/gateway/internal/store"
)

// following is everything that reads what the journal keeps: delivery, and those
// who say what became of an event. Without a journal there is none of it; a nil
// *following does nothing.
type following struct {
	engine  *deliver.Engine
	letters *deadletter.Index
	replays *replay.Replayer
	ledger  *ledger.Ledger
	tracer  *query.Tracer

	publishers *query.Publishers

	running sync.WaitGroup
	end     context.CancelFunc
	failed  error // why the engine ended by itself; written before running is done
}

// openFollowing opens it. Nothing is delivered before run.
func (g *Gateway) openFollowing(ctx context.Context) (err error) {
	if g.journal == nil {
		return nil
	}
	id, epoch := g.journal.Life()
	f := &following{}
	f.engine, err = deliver.Open(ctx, deliver.Options{
		Store: g.journal, StoreID: id, Epoch: epoch, Known: g.journal.Known, Dir: g.config.Data, Destinations: g.followed(), Log: g.log,
		Observe: deliver.Observer{Attempt: g.metrics.countAttempt},
	})
	if err != nil {
		return err
	}
	f.letters = deadletter.Open(deadletter.Options{
		Data: g.config.Data, Store: storeName(id, epoch), Source: g.journal,
		Write: f.engine.Write, Destinations: g.destinationNames(), Log: g.log,
	})
	f.replays, err = replay.Open(replay.Options{
		Data: g.config.Data, Source: g.journal, Write: f.engine.Write, Destinations: g.destinationNames(),
		Wants: f.engine.Wants, Compile: compileWhere, Log: g.log,
	})
	if err != nil {
		return errors.Join(err, f.engine.Close(ctx))
	}
	f.ledger = ledger.Open(ledger.Options{
		Store: g.journal, Instance: g.config.Instance, Destinations: f.accounts,
		Failed: func(err error) { g.log.Error("the ledger cannot be kept", "err", err) },
	})
	f.openPublishers(filepath.Join(g.config.Data, "publishers"), g.log)
	f.tracer = &query.Tracer{
		Events: g.journal, Durability: g.journal.Durability(),
		Scopes:     func() []string { return append(f.ledger.Callers(), f.publishers.Scopes()...) },
		Deliveries: steps{follow: f, names: g.destinationNames()}, Unstored: &query.Unstored{},
	}
	g.metrics.registry.MustRegister(imbalance(f.ledger), deliveryStats{status: f.engine.Status, letters: f.letters.Counts, destinations: g.destinations})
	g.follow = f
	return nil
}

// followed lists the destinations that get their events from the journal.
func (g *Gateway) followed() []deliver.Destination {
	var all []deliver.Destination
	for _, d := range g.destinations {
		all = append(all, d.followed())
	}
	return all
}

func (g *Gateway) destinationNames() []string {
	var names []string
	for _, d := range g.destinations {
		names = append(names, d.Name)
	}
	return names
}

// run begins to deliver.
func (f *following) run() {
	if f == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.end = cancel
	f.running.Go(func() { f.failed = f.engine.Run(ctx) })
	f.running.Go(func() { f.letters.Run(ctx) })
	f.running.Go(func() { f.replays.Run(ctx) })
}

// close stops what run began. Writes under way have until ctx ends; what is not
// delivered by then is delivered after the next start.
func (f *following) close(ctx context.Context) error {
	if f == nil {
		return nil
	}
	err := f.engine.Close(ctx)
	if f.end != nil { // it was run
		f.end()
		f.running.Wait()
		err = errors.Join(err, f.failed)
	}
	return err
}

// closeBooks writes what the ledger has counted since its last summary, until
// ctx ends.
func (f *following) closeBooks(ctx context.Context) error {
	if f == nil || f.ledger == nil {
		return nil
	}
	return errors.Join(f.ledger.Close(ctx), f.publishers.Close())
}

// accounts is what became of the events of each destination.
func (f *following) accounts() []ledger.Destination {
	var all []ledger.Destination
	for _, s := range f.engine.Status() {
		all = append(all, ledger.Destination{
			Destination: s.Name, Stored: s.Stored, Delivered: s.Delivered, Queued: s.Queued,
			Dead: s.Dead, Filtered: s.Filtered, Evicted: s.Evicted,
		})
	}
	return all
}

// observe is told the outcomes of every batch.
func (f *following) observe(b accept.Batch, outcomes []daybook.Outcome) {
	if f == nil {
		return
	}
	f.ledger.Observe(b.Caller.Name, outcomes)
	f.notePublishers(b)
	f.tracer.Unstored.Observe(b.Caller.Name, b.Protocol, outcomes)
}

// routes adds what the operations listener shows of it.
func (f *following) routes(o *operations.Options) {
	if f == nil {
		return
	}
	o.DeadLetters, o.Replays = f.letters, f.replays
	o.Ledger, o.Traces = f.ledger, f.tracer
}

// compileWhere makes a function of an expression.
func compileWhere(expression string) (func(*store.Record) bool, error) {
	match, err := rule.Compile(expression)
	if err != nil {
		return nil, err
	}
	return match.Matches, nil
}
