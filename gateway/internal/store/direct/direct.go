// Package direct is the store of gateways that keep nothing themselves: an
// event is accepted once a destination has confirmed it. There is no data
// directory, and so there is nothing to follow, to count or to find again.
//
// Appends that wait at the same time go into one Write of the destination. None
// waits for others to come: while writes are under way the next group gathers.
//
// # Deduplication
//
// It is the destination's: where that keeps the first event of an id, a retry
// changes nothing there. The caller of a retry is told stored once more, for
// nobody here remembers. Only copies in one Write are seen here: one is written,
// the others are its duplicates.
//
// # Waiting
//
// What other destinations said while a caller waited (store.KindSettled) and
// counters (store.KindSummary) have no place here and are answered Dropped. So
// only the caller knows what was not forwarded, and when a gateway dies between
// the confirmation and the forward, nobody does: the event is stored, and the
// caller, who has no answer, sends it again with the same id.
package direct

import (
	"context"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// Options say where events go and how. Only Sink is required.
type Options struct {
	Name string // the destination's, for errors; "" = "the store"

	// Sink takes the events. Its Write must return only once they are safe, and
	// when its context ends. Whoever opened it closes it, after the store.
	Sink daybook.Sink

	// DeadLetters takes the events that the gateway itself set aside
	// (store.KindRefused), see [Letter]. Nil means that nowhere does: such a
	// record fails, so a gateway that makes some must not start without.
	DeadLetters daybook.Sink

	MaxEvents int // of one Write. Zero means 500
	MaxBytes  int // of one Write, unless a single event is larger. Zero means 1 MiB
	Writes    int // under way at the same time. Zero means 4

	// QueueBytes is how much may wait for a Write. What comes beyond it is
	// refused at once, to be sent again. Zero means 32 MiB.
	QueueBytes int

	// Within is how long one Write may take, and how long an event may wait for
	// its own. After it the caller is told to send again. Zero means 10s.
	Within time.Duration

	// Check returns nil when the destination could take a Write now. Nil means
	// that nobody can tell except by writing: then a store whose last Write
	// failed is ready again after two seconds.
	Check func(context.Context) error

	Observe Observer
}

// An Observer is told how long things took, for metrics. Each function may be
// nil; they are called from several goroutines.
type Observer struct {
	Append func(d time.Duration) // from the call of Append to its answer
	Write  func(d time.Duration) // one Write of the destination
	Group  func(events int)      // events of one Write
}

func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = "the store"
	}
	if o.MaxEvents <= 0 {
		o.MaxEvents = 500
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 20
	}
	if o.Writes <= 0 {
		o.Writes = 4
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = 32 << 20
	}
	if o.Within <= 0 {
		o.Within = 10 * time.Second
	}
	if o.Observe.Append == nil {
		o.Observe.Append = func(time.Duration) {}
	}
	if o.Observe.Write == nil {
		o.Observe.Write = func(time.Duration) {}
	}
	if o.Observe.Group == nil {
		o.Observe.Group = func(int) {}
	}
	return o
}

// A Store is a store.Store whose events a destination keeps.
type Store struct {
	options Options
	queue   *queue
	health  *health

	life    context.Context // ends the writes of a store that is to close at once
	end     context.CancelFunc
	writers sync.WaitGroup
}

// Open returns a store over a destination. It writes nothing: whether the
// destination is there, Ready says. Close ends what it starts.
func Open(o Options) *Store {
	o = o.withDefaults()
	s := &Store{options: o, queue: newQueue(o), health: newHealth(o)}
	s.life, s.end = context.WithCancel(context.Background())
	for range o.Writes {
		s.writers.Go(s.writeAll)
	}
	return s
}

// Append implements [store.Store]. The records of one append may go into
// several Writes, so some may be stored where others are not. Stored means that
// the destination has confirmed; Refused, that it never can take the event as it
// is; Failed, that it has not, or has not said so.
func (s *Store) Append(ctx context.Context, records []store.Record) ([]store.Receipt, error) {
	if len(records) == 0 {
		return nil, nil
	}
	started := time.Now()
	defer func() { s.options.Observe.Append(time.Since(started)) }()
	if err := ctx.Err(); err != nil {
		return nil, &daybook.Error{
			Code: daybook.Unavailable, Where: s.options.Name, Reason: "canceled",
			Message: "the request ended before it was stored", Err: err,
		}
	}
	p := newPending(records, started)
	if err := s.queue.put(p); err != nil {
		return nil, err
	}
	<-p.decided // whatever becomes of ctx: the writers have the records
	return p.receipts, nil
}

// Durability implements [store.Store].
func (s *Store) Durability() daybook.Durability { return daybook.Confirmed }

// Ready implements [store.Store].
func (s *Store) Ready(ctx context.Context) error {
	if s.queue.isClosed() {
		return daybook.ErrClosed
	}
	return s.health.ready(ctx)
}

// Close implements [store.Store]. What waits is still written, until ctx ends:
// then the writes under way are cancelled, and whoever waits is told to send
// again. The sinks stay open.
func (s *Store) Close(ctx context.Context) error {
	s.queue.close()
	stop := context.AfterFunc(ctx, s.end)
	defer stop()
	s.writers.Wait()
	s.health.close()
	s.end()
	return nil
}
