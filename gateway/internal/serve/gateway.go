package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/operations"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/evidence"
	"daybook.dev/gateway/internal/store/journal"
)

// A Gateway is a running Daybook. Open wires it like this; whoever stands
// lower was opened earlier and is closed later:
//
//	ingest listener                     operations listener
//	      │                                     │
//	/health /ready  POST /v1/events     /health /ready /version /metrics /v1/tail …
//	gRPC health     LogEvent               │                       │        │
//	      │               │                │                       │        │
//	      │        plainhttp, logevent     │                    metrics     │
//	      │               │                │                       ▲        │
//	      │        accept.Accepter ── observe ── batchLog, metrics ┤        │
//	      │               │      │         │                       │        │
//	      │               │      │     following: deliver, dead letters,    │
//	      │               │      │     replays, ledger                      │
//	      │               │      │         │                                │
//	      └─ ready ── journal.Journal ─────┴────────────────────────────────┘
//	                  or store/direct│     │
//	                      │      │   │     │
//	                      └── destinations: sinks
type Gateway struct {
	config    Config // complete, as it was opened with
	log       *slog.Logger
	events    *slog.Logger // lines about single events
	metrics   *metrics
	callers   *caller.Registry
	audit     *audit
	verifiers atomic.Pointer[verifiers] // of the callers' tokens; changes with a reload

	destinations []*opened        // in the order of the configuration
	store        store.Store      // the journal, or one of the destinations
	journal      *journal.Journal // nil = a destination is the store
	evidence     *evidence.Log    // nil = what is stored is not covered
	follow       *following       // nil = there is nothing to follow
	off          offSwitch        // the destinations that get nothing at present

	certificates []*certificate // of the listeners that speak TLS

	ingest     *listener
	operations *listener // nil = on the ingest port

	reloading reloading

	stopping atomic.Bool

	// stopNow ends the patience of a stop that is under way; streams ends the
	// tails, which would otherwise never finish.
	stopNow, streams        context.Context
	endPatience, endStreams context.CancelFunc
}

// Options are what Open needs besides the configuration. The zero value works.
type Options struct {
	Log    *slog.Logger // nil = discard
	Events *slog.Logger // the lines about single events, which may be buffered; nil = discard
	Build  Build        // shown by /version

	// Ephemeral says why the platform's disk is memory; see [EphemeralDisk].
	Ephemeral string

	// From says who set what, for the sentences about problems.
	From Origins

	// Inputs is where the configuration was read and can be read again. Nil means
	// that it stays as it is. The gateway owns its Watch.
	Inputs *Inputs
}

// Open opens the parts of a gateway in order: destinations, store, evidence, what
// follows the store, callers, accept, intakes, operations, listeners. Nil means that both ports are bound and that Run can
// serve them; after an error nothing is left open.
func Open(ctx context.Context, c Config, o Options) (*Gateway, error) {
	c = c.withDefaults()
	if problems := c.Problems(o.From); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	g := &Gateway{config: c, log: orDiscard(o.Log), events: orDiscard(o.Events), metrics: newMetrics(o.Build)}
	if o.Inputs != nil {
		g.reloading.inputs, g.reloading.watch = o.Inputs, o.Inputs.Watch
	}
	g.stopNow, g.endPatience = context.WithCancel(context.Background())
	g.streams, g.endStreams = context.WithCancel(context.Background())
	if err := g.open(ctx, o); err != nil {
		return nil, errors.Join(err, g.release(ctx))
	}
	return g, nil
}

// open opens the parts in order. After an error, release closes those that are
// open.
func (g *Gateway) open(ctx context.Context, o Options) (err error) {
	if g.destinations, err = openDestinations(ctx, g.config, o.From); err != nil {
		return err
	}
	for _, d := range g.destinations {
		d.off = &g.off
		if d.match != nil {
			d.match.Failed = g.metrics.countUnclear(d.Name)
		}
	}
	g.migrate(ctx)
	if err := g.openStore(ctx, o.Ephemeral); err != nil {
		return err
	}
	if err := g.openEvidence(); err != nil {
		return err
	}
	if err := g.openFollowing(ctx); err != nil {
		return err
	}
	if err := g.openCallers(); err != nil {
		return err
	}
	routes, err := g.operationsRoutes(o.Build)
	if err != nil {
		return err
	}
	admitter := &admit.Admitter{Limits: admit.Limits{EventBytes: int(g.config.Limits.Event)}}
	if err := g.applyRules(admitter); err != nil {
		return err
	}
	return g.listen(ctx, g.intakes(g.accepter(admitter)), routes)
}

// release closes what is open of a gateway that does not serve, the last part
// first.
func (g *Gateway) release(ctx context.Context) error {
	var problems []error
	if g.follow != nil {
		problems = append(problems, g.follow.close(ctx), g.follow.closeBooks(ctx))
	}
	if g.store != nil {
		problems = append(problems, g.store.Close(ctx))
	}
	problems = append(problems, closeDestinations(ctx, g.destinations))
	return errors.Join(problems...)
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

// openStore opens the journal, or makes a store of the destination that is to be
// one.
func (g *Gateway) openStore(ctx context.Context, ephemeral string) error {
	if _, ok := g.config.direct(); ok {
		g.openDirect()
		return nil
	}
	return g.openJournal(ctx, ephemeral)
}

func (g *Gateway) openJournal(ctx context.Context, ephemeral string) error {
	j, err := journal.Open(ctx, journal.Options{
		Dir:            g.config.Data,
		AllowEphemeral: g.config.AllowEphemeral,
		Ephemeral:      ephemeral,

		DedupWindow:     g.config.Dedup.Window,
		IdempotencyKeys: g.config.Dedup.By.idempotencyKey(),

		Keep:     g.config.Journal.Keep,
		MaxBytes: int64(g.config.Journal.MaxSize),
		WarnAt:   int(g.config.Journal.WarnAt),
		RefuseAt: int(g.config.Journal.RefuseAt),

		Followers: g.followers(),

		Log:     g.log,
		Observe: g.metrics.observeJournal(),
	})
	if err != nil {
		return err
	}
	g.journal, g.store = j, j
	g.metrics.registry.MustRegister(journalStats{stats: j.Stats, now: time.Now})
	return nil
}

// accepter is the way of every event, whichever protocol it came by.
func (g *Gateway) accepter(to *admit.Admitter) *accept.Accepter {
	batches, events := newBatchLog(g.log, g.config.Log), newEventLog(g.events, g.config.Log)
	return &accept.Accepter{
		Admit:        to,
		Store:        g.store,
		Instance:     g.config.Instance,
		Destinations: g.awaited(),
		AlwaysWait:   g.journal == nil,
		Observe: func(b accept.Batch, outcomes []daybook.Outcome) {
			g.metrics.count(b, outcomes)
			g.follow.observe(b, outcomes)
			batches.observe(b, outcomes)
			events.observe(b, outcomes)
		},
		Skewed:     g.metrics.countSkewed,
		Quarantine: int(g.config.Limits.Quarantine),
		SetAside:   g.metrics.countSetAside,
		Forwarded: func(r *store.Record, destination string, err error) {
			g.metrics.countForward(destination, err)
			events.forwarded(r, destination, err)
		},
		Unsettled: func(attempts int, err error) {
			g.log.Error("what destinations said could not be stored", "attempts", attempts, "err", err)
		},
	}
}

// awaited lists the destinations that callers wait for.
func (g *Gateway) awaited() []accept.Destination {
	var all []accept.Destination
	for _, d := range g.destinations {
		if d.Wait && d.Name != g.config.Store {
			all = append(all, d.awaited())
		}
	}
	return all
}

func (g *Gateway) operationsRoutes(b Build) (http.Handler, error) {
	guard, err := g.guard()
	if err != nil {
		return nil, err
	}
	o := operations.Options{
		Ready:   g.ready,
		Streams: g.streams,
		Failed:  func(err error) { g.log.Error("tail cannot read the journal", "err", err) },
		Metrics: g.metrics.handler(),
		Version: b,
		Guard:   guard,
	}
	if g.journal != nil {
		o.Events, o.Store = g.journal, storeName(g.journal.Life())
	} else {
		o.Direct = g.config.Store
	}
	g.follow.routes(&o)
	return operations.New(o), nil
}

// guard decides who may read and who may change. Without a token of the
// operator's own, changes take one that only readers of the data directory know.
func (g *Gateway) guard() (operations.Guard, error) {
	guard := operations.Guard{
		Host:  g.config.Operations.Listen.ownHost(),
		Token: string(g.config.Operations.Token), Read: string(g.config.Operations.ReadToken),
		Refused: g.audit.refusedOperator,
	}
	if guard.Token != "" || g.journal == nil {
		return guard, nil
	}
	var err error
	guard.Changes, err = operations.TokenFile(g.config.Data)
	return guard, err
}

// storeName tells a journal, and each life of it, from others. It is part of ids
// that people see, so it is short.
func storeName(id string, epoch uint64) string { return fmt.Sprintf("%.8s.%d", id, epoch) }

var errStopping = errors.New("the gateway is stopping")

// Durability is what an OK of this gateway rests on.
func (g *Gateway) Durability() daybook.Durability { return g.store.Durability() }

// ready returns nil when an event could be stored now.
func (g *Gateway) ready(ctx context.Context) error {
	if g.stopping.Load() {
		return errStopping
	}
	return g.store.Ready(ctx)
}

// EphemeralDisk says why the platform's disk is memory, or "" when it is not
// known to be: Cloud Run and its kin set K_SERVICE and give a file system in
// memory whatever it calls itself.
func EphemeralDisk(env func(string) (string, bool)) string {
	if name, ok := env("K_SERVICE"); ok && name != "" {
		return fmt.Sprintf("K_SERVICE is set (%s)", name)
	}
	return ""
}
