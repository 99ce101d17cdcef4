// Package deliver follows the store and hands its events to destinations, each
// in its own time. Nothing that a destination does, or leaves undone, is seen by
// whoever stores events or by another destination.
//
// # One destination
//
// Each destination has a lane: a goroutine that reads the store behind its
// cursor (feed, take), keeps what is not finished in a window, and starts writes
// (batch, attempt). What a write returns decides by its class what happens to
// each of its events:
//
//	taken          finished: delivered
//	transient      tried again, with growing waits, until retention removes it
//	throttled      the same, and not before the destination said
//	misconfigured  the same, slowly; somebody is told, and nothing is given up
//	permanent      a dead letter is stored, then it is finished: dead
//
// A write that fails for good without naming an event is halved until the
// event at fault is alone.
//
// # Waits
//
// There are two clocks, and both use full jitter. Events that fail while their
// destination takes others wait on their own: 200 ms, doubled up to 30 s. A
// write that fails as a whole says something about the destination: the breaker
// opens and lets through one write at a time as a probe, after 200 ms, doubled
// up to 5 s, so that a recovery is noticed within that time (a minute while
// misconfigured; as long as a destination asks, but an hour at most, while
// throttled). The first write that is answered closes it. Neither clock outlives
// the process: a start tries at once.
//
// # What is exact
//
// Of every destination, stored (since its start) = delivered + queued + dead +
// filtered + evicted. The right side's counts are in the cursor, written
// together with the positions they are about; the left side is the store's. So
// the identity holds after kill -9, too. What an end in between costs is a
// redelivery: a cursor lags, and never leads.
package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// A Store is what events are delivered from, and where dead letters go.
type Store interface {
	store.Holder
	store.Selector
	store.Counter

	// Append is that of store.Store.
	Append(ctx context.Context, records []store.Record) ([]store.Receipt, error)
}

// Options is what Open needs. Store, StoreID and Dir are required.
type Options struct {
	Store Store

	// StoreID and Epoch name the store and its life: positions in a cursor
	// mean something only there.
	StoreID string
	Epoch   uint64

	// Known returns up to which position records of an earlier epoch are those
	// of this one, too. Nil means up to the newest.
	Known func(epoch uint64) store.Position

	Dir          string // the data directory; cursors are kept in its folder deliver
	Destinations []Destination

	// SaveEvery is the least time between two writes of a cursor. Zero means
	// 200ms.
	SaveEvery time.Duration

	// Grace is how long an event that its caller waited for may stay without
	// word of what came of it, beyond the time of an attempt. Zero means 1m.
	Grace time.Duration

	// SharedBytes is about how much memory the newest records may take that
	// are read once for all destinations. Zero means 16 MiB.
	SharedBytes int

	FS      wal.FS         // nil means the operating system's
	Rand    func() float64 // at least 0, less than 1; safe for concurrent use. Nil means by chance
	Log     *slog.Logger   // nil means nobody is told
	Observe Observer
}

// An Observer is told what happens, for metrics. Each function may be nil; none
// may block.
type Observer struct {
	// Attempt is told of each write: how many events it had, what came of it,
	// and how long it took.
	Attempt func(destination string, events int, class attempt.Class, took time.Duration)
}

func (o Options) withDefaults() Options {
	o.SaveEvery = orDefault(o.SaveEvery, 200*time.Millisecond)
	o.Grace = orDefault(o.Grace, time.Minute)
	o.SharedBytes = orDefault(o.SharedBytes, 16<<20)
	if o.FS == nil {
		o.FS = wal.OS{}
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observe.Attempt == nil {
		o.Observe.Attempt = func(string, int, attempt.Class, time.Duration) {}
	}
	return o
}

// An Engine delivers. It is safe for concurrent use.
type Engine struct {
	*shared
	lanes []*lane // in the order of the configuration; never changed

	begun   sync.Once
	ended   chan struct{} // closed when everything is released
	failure error         // of the last save; written before ended is closed

	stop            context.Context // ends reading and the beginning of writes; hard ends also what is under way
	endSoon, endNow context.CancelFunc
}

// shared is what the parts of an engine have in common.
type shared struct {
	options Options
	feed    *feed
	saver   *saver
	hard    context.Context // ends writes under way
}

// Open finds where every destination goes on, and tells the store what each
// still needs. Nothing is delivered before Run. It writes only what it has to
// put aside: a cursor that is damaged.
func Open(ctx context.Context, o Options) (*Engine, error) {
	o = o.withDefaults()
	if o.Store == nil || o.Dir == "" {
		return nil, errors.New("deliver: no store or no data directory given")
	}
	files := cursorFiles{fs: o.FS, dir: filepath.Join(o.Dir, folder)}
	if err := files.make(); err != nil {
		return nil, fmt.Errorf("deliver: %s: %w", files.dir, err)
	}
	e := &Engine{shared: &shared{options: o, feed: newFeed(o.Store, o.SharedBytes)}, ended: make(chan struct{})}
	e.saver = newSaver(e.shared, files, func() []*lane { return e.lanes })
	e.stop, e.endSoon = context.WithCancel(context.Background())
	e.hard, e.endNow = context.WithCancel(context.Background())
	for _, d := range o.Destinations {
		l, err := e.openLane(ctx, d)
		if err != nil {
			return nil, err
		}
		e.lanes = append(e.lanes, l)
	}
	for _, l := range e.lanes {
		if l.onDisk {
			o.Store.Hold(l.Name, l.window.low)
		}
	}
	return e, nil
}

// openLane opens the lane of d, whose name no other has.
func (e *Engine) openLane(ctx context.Context, d Destination) (*lane, error) {
	d, err := d.withDefaults()
	if err != nil {
		return nil, err
	}
	if e.lane(d.Name) != nil {
		return nil, fmt.Errorf("deliver: two destinations are named %q", d.Name)
	}
	l := newLane(e.shared, d)
	found, err := e.saver.files.load(d.Name)
	if err != nil {
		return nil, err
	}
	return l, l.restore(ctx, found)
}

func (e *Engine) lane(name string) *lane {
	for _, l := range e.lanes {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// Run delivers until ctx ends or Close is called, and returns after everything
// it started has: nil, or why the last cursors could not be written. When ctx
// ends, writes under way are cut off; Close gives them time. It can be called
// once.
func (e *Engine) Run(ctx context.Context) error {
	first := false
	e.begun.Do(func() { first = true })
	switch {
	case !first && e.stop.Err() != nil:
		return nil // closed before
	case !first:
		return errors.New("deliver: run twice")
	}
	cutOff := context.AfterFunc(ctx, func() { e.endSoon(); e.endNow() })
	defer cutOff()

	var lanes, helpers sync.WaitGroup
	feeding, endFeed := context.WithCancel(context.Background())
	saving, endSave := context.WithCancel(context.Background())
	helpers.Go(func() { e.feed.run(feeding) })
	helpers.Go(func() { e.failure = e.saver.run(saving) })
	for _, l := range e.lanes {
		lanes.Go(func() { l.run(e.stop) })
	}
	lanes.Wait()
	endFeed()
	endSave()
	helpers.Wait()
	e.endSoon()
	e.endNow()
	close(e.ended)
	return e.failure
}

// Close stops the engine: no further write begins, those under way have until
// ctx ends, then they are cut off. What is not delivered stays in the store, and
// the next start goes on with it. Nil means that everything has ended and the
// cursors are written. An error means that they are not, or that a sink is still
// in its Write although its context has ended: then Run has not returned.
// Idempotent.
func (e *Engine) Close(ctx context.Context) error {
	e.endSoon()
	e.begun.Do(func() { close(e.ended) }) // never run: there is nothing to wait for
	select {
	case <-e.ended:
		return e.failure
	case <-ctx.Done():
	}
	e.endNow()
	timer := time.NewTimer(cutOffTime)
	defer timer.Stop()
	select {
	case <-e.ended:
		return e.failure
	case <-timer.C:
		return &daybook.Error{
			Code: daybook.Unavailable, Where: "deliver", Reason: "closing",
			Message: "destinations have not returned from a write although they were told to",
		}
	}
}

// cutOffTime is how long Close waits for writes that it has cut off.
const cutOffTime = time.Second
