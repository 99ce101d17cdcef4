// Package deadletter knows which events have not got where they should have: an
// index over the store's records of the kinds refused and settled. What is true
// of a dead letter is what the last record about it says. The index lists them,
// shows the event, hands it to its destination again, or drops it.
//
// # The checkpoint
//
// The file deadletters.index in the data directory holds the index up to some
// record, so that a start need not look through the whole store. It is a cache:
// where it is missing, damaged or of another store, the index is made again from
// the records that are kept, in the background.
//
// # Memory
//
// An open dead letter takes about 200 bytes (BenchmarkBytesPerLetter), a third of
// that in the file, so the usual bound of 200,000 is some 40 MB. Beyond
// a bound the oldest are let go: they stay in the store, are counted, and are
// neither listed nor retried.
package deadletter

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// A Source is the store that the records are in.
type Source interface {
	store.Selector
	store.Picker
	Append(ctx context.Context, records []store.Record) ([]store.Receipt, error)
}

// Options is what Open needs. Those without a default are required.
type Options struct {
	Data   string // the data directory
	Store  string // names the store and its life: the index of another one is not used
	Source Source

	// Write hands events to a destination. It must return when its context
	// ends.
	Write attempt.Write

	// Destinations are the names that events can be handed to. Nil means any.
	Destinations []string

	// Within bounds each call of Write. Zero means 30s.
	Within time.Duration

	// Most is how many dead letters are kept in memory, and PerCaller how many
	// of one caller. Zero means 200,000 and 50,000.
	Most, PerCaller int

	Log *slog.Logger // nil means nobody is told
	FS  wal.FS       // nil means the operating system's
}

func (o Options) withDefaults() Options {
	if o.Within == 0 {
		o.Within = 30 * time.Second
	}
	if o.Most == 0 {
		o.Most = 200_000
	}
	if o.PerCaller == 0 {
		o.PerCaller = 50_000
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = wal.OS{}
	}
	return o
}

// An Index is the open dead letters of a store. It is safe for concurrent use.
type Index struct {
	options Options
	file    string

	// reading is held by whoever takes in records, changing by whoever retries
	// or drops. Each is a channel with room for one, so that waiting can end.
	reading, changing chan struct{}

	mu      sync.Mutex
	letters *letters // guarded by mu

	saved checkpoint // the last one written or read; used by Run alone
}

// Open reads the checkpoint. Call Run then, and wait for it before the store is
// closed. No checkpoint, or a bad one, is no error: see the package.
func Open(o Options) *Index {
	o = o.withDefaults()
	x := &Index{
		options: o, file: filepath.Join(o.Data, fileName),
		reading: make(chan struct{}, 1), changing: make(chan struct{}, 1),
		letters: newLetters(o.Most, o.PerCaller),
	}
	x.load()
	return x
}

const (
	// pause is how long the index lets records come together. Whoever asks for
	// dead letters reads what is newer first, so nobody sees an old answer.
	pause = time.Second

	// saveEvery is how often the checkpoint is written while there is something
	// to write.
	saveEvery = time.Minute

	// saveRecords is after how many records that change nothing it is written
	// all the same, so that a start need not look through them again.
	saveRecords = 1_000_000

	// retryEvery is how long to wait when the store could not be read.
	retryEvery = 5 * time.Second
)

// Run keeps the index near the end of the store until ctx ends or the store is
// closed, and then writes the checkpoint.
func (x *Index) Run(ctx context.Context) {
	x.announce()
	due := time.Now().Add(saveEvery)
	failing := false
	for x.options.Source.Wait(ctx, x.through()) == nil {
		err := x.catchUp(ctx)
		if ctx.Err() != nil || errors.Is(err, daybook.ErrClosed) {
			break
		}
		wait := pause
		if err != nil {
			wait = retryEvery
		}
		if (err != nil) != failing {
			failing = err != nil
			x.logReading(err)
		}
		if now := time.Now(); !now.Before(due) {
			due = now.Add(saveEvery)
			x.save()
		}
		sleep(ctx, wait)
	}
	x.save()
}

// announce says that the start will take a while, where it does.
func (x *Index) announce() {
	oldest, newest := x.options.Source.Bounds()
	if through := x.through(); through == 0 && newest > 0 {
		x.options.Log.Info("dead letters are looked up in the journal", "first", oldest, "last", newest)
	}
}

func (x *Index) logReading(err error) {
	if err == nil {
		x.options.Log.Info("the journal's records about dead letters can be read again")
		return
	}
	x.options.Log.Error("the journal's records about dead letters cannot be read; trying again", "err", err)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// through is the position up to which every record is taken in.
func (x *Index) through() store.Position {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.letters.through
}

// pageRecords is how many records are taken in at once.
const pageRecords = 1000

// catchUp takes in every record that is synced by now.
func (x *Index) catchUp(ctx context.Context) error {
	if err := acquire(ctx, x.reading); err != nil {
		return err
	}
	defer release(x.reading)
	oldest, newest := x.options.Source.Bounds()
	for through := x.through(); through < newest; {
		entries, now, err := x.options.Source.ReadKinds(ctx, through, pageRecords, store.KindRefused, store.KindSettled)
		if err != nil {
			return err
		}
		if now <= through { // the store has nothing more to say than that
			now = newest
		}
		through = now
		x.mu.Lock()
		x.letters.take(entries, through)
		x.mu.Unlock()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.letters.expire(oldest)
	return nil
}

// acquire takes the one place in c. The error is ctx's.
func acquire(ctx context.Context, c chan struct{}) error {
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func release(c chan struct{}) { <-c }

// patience is how long a question waits for records that are not taken in yet.
const patience = 2 * time.Second

// current takes in what is synced by now, and reports whether that was possible
// within the patience of somebody who asks. It is not while the index is being
// made again.
func (x *Index) current(ctx context.Context) (complete bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = x.catchUp(bounded)
	switch {
	case err == nil:
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case bounded.Err() != nil:
		return false, nil
	default:
		return false, err
	}
}
