// Package ledger keeps the account of every event that was received:
//
//	per caller       received = stored + duplicate + dropped + refused + failed
//	per destination  stored = delivered + queued + dead + filtered + evicted
//
// It is exact at rest and across kill -9, because it trusts no memory about what
// is stored: those counts are the store's, by the positions of its records. What
// was not stored left no record, so it is counted in memory and written into the
// store as a summary, at most once a second. A kill takes with it what was
// answered duplicate, dropped, refused or failed since the last summary: it is
// then missing on both sides of the account, which balances all the same. Close
// writes the last summary, so that a gateway that is stopped loses nothing.
//
// That the account balances is watched, see [Report.Imbalance]: what callers
// were told is compared with what the store has.
//
// With a direct store there is no account: the destination has the events, and
// nobody here can count them.
package ledger

import (
	"context"
	"errors"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// A Store is what the ledger needs of one.
type Store interface {
	Append(ctx context.Context, records []store.Record) ([]store.Receipt, error)
	store.Selector
	store.Counter
}

// Options say whose account is kept. Only Store is required.
type Options struct {
	Store    Store
	Instance string // this gateway's name, in the summaries

	// Destinations returns the account of each destination. Nil means that there
	// are none.
	Destinations func() []Destination

	// Failed is told when a summary could not be written, or the store not be
	// read, once until it works again. Nil means nobody is.
	Failed func(error)
}

const (
	// every is how often a summary may be written, unless it is large.
	every = time.Second

	// bytesPerTick is how much summaries may add to the store each second: with
	// very many callers they are written less often.
	bytesPerTick = 8 << 10

	// stale and staleRecords are when a summary is written because others were
	// stored since: they have to be read again after a start.
	stale        = time.Minute
	staleRecords = 50_000

	// settle is longer than any answer takes after the store has the events.
	settle = time.Minute
)

// A Ledger is an account that is being kept. It is safe for concurrent use.
type Ledger struct {
	options Options

	mu       sync.Mutex
	rows     map[string]*row // by caller; guarded by mu, like everything below
	callers  int             // that have a row of their own
	former   bool            // the rows have what the last summary says
	total    uint64          // events that were stored before the store was opened
	counted  uint64          // of them, those in rows
	through  store.Position  // up to which they are in rows
	opened   store.Position  // where the store was opened
	changes  uint64          // of counts that are in no summary yet
	settled  snapshot        // older than any answer that is under way
	settling snapshot
	failing  bool

	writing sync.Mutex
	summary written // the last one; guarded by writing

	keeper sync.WaitGroup
	life   context.Context
	end    context.CancelFunc
}

// Open takes up the account of a store where its last summary left it. It reads
// nothing yet: that, and counting what no summary covers, is done in the
// background, and until then [Report.Counting] is set. Open the ledger before
// the first event is stored, and Close it after the last one, before the store.
func Open(o Options) *Ledger {
	if o.Destinations == nil {
		o.Destinations = func() []Destination { return nil }
	}
	if o.Failed == nil {
		o.Failed = func(error) {}
	}
	l := &Ledger{options: o, rows: map[string]*row{}, summary: written{when: time.Now()}}
	l.opened, _, _ = o.Store.Stored()
	l.total = eventsUpTo(o.Store.Tallies(), l.opened)
	l.life, l.end = context.WithCancel(context.Background())
	l.keeper.Go(l.keep)
	return l
}

// Observe counts the outcomes of a batch of a caller. It keeps nothing of them.
func (l *Ledger) Observe(caller string, outcomes []daybook.Outcome) {
	var by [statuses]uint64
	for i := range outcomes {
		by[min(outcomes[i].Status, statuses-1)]++
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.row(caller)
	r.observed.received += uint64(len(outcomes))
	for status, n := range by {
		r.observed.by[status] += n
		if daybook.Status(status) != daybook.Stored {
			l.changes += n
		}
	}
}

// Callers returns the names of all callers that have an account, sorted.
func (l *Ledger) Callers() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.names()
}

// Close writes what is in no summary yet, until ctx ends. Nil means that the
// account is in the store. Where the last summary cannot be read, none is
// written: it would be taken for all there was. Idempotent.
func (l *Ledger) Close(ctx context.Context) error {
	l.end()
	l.keeper.Wait()
	if err := l.takeUp(ctx); err != nil {
		return err
	}
	return l.flush(ctx)
}

// keep takes up the account, counts what no summary covers, and writes summaries
// until the ledger is closed.
func (l *Ledger) keep() {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for l.life.Err() == nil {
		err := l.takeUp(l.life)
		if err == nil {
			err = l.recount(l.life)
		}
		if l.due(time.Now()) {
			err = errors.Join(err, l.flush(l.life))
		}
		l.report(err)
		l.age(time.Now())
		select {
		case <-tick.C:
		case <-l.life.Done():
		}
	}
}

// report tells of the first failure of a run of them.
func (l *Ledger) report(err error) {
	l.mu.Lock()
	first := err != nil && !l.failing && l.life.Err() == nil
	l.failing = err != nil
	l.mu.Unlock()
	if first {
		l.options.Failed(err)
	}
}
