// Package journal keeps records in chunk files on this machine's disk. An
// append is answered after the fdatasync that covers it; one sync covers all
// appends that were waiting (group commit).
//
// The way of a record: Append encodes it in its caller's goroutine (batch) and
// queues it (queue); one writer decides what is a duplicate (index), frames,
// writes and syncs a group (writer), makes it visible to readers (view), and
// answers. docs/journal-format.md is what the files look like and what happens
// after a crash.
package journal

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// Options is what Open needs to know. Only Dir is required.
type Options struct {
	// Dir is the data directory; it is created when missing.
	Dir string

	// AllowEphemeral accepts a disk that forgets. Durability is then InMemory.
	AllowEphemeral bool

	// Ephemeral says why the platform's disk is memory, such as "K_SERVICE is
	// set". Empty means that the file system is the only judge.
	Ephemeral string

	// ChunkBytes is the size beyond which a chunk is not grown. Zero means
	// 64 MiB, or less where MaxBytes is small.
	ChunkBytes int64

	// DedupWindow is how long an id is remembered, at least. Zero means 24h.
	DedupWindow time.Duration

	// IdempotencyKeys says that an event whose idempotency key was seen within
	// the window is a duplicate too, whatever its id.
	IdempotencyKeys bool

	// Keep is how long records are kept, at least, while MaxBytes allows. Zero
	// means 7 days.
	Keep time.Duration

	// MaxBytes is how many bytes the chunks may take, give or take one. Beyond
	// it the oldest are removed, whoever needs them. Zero means 10 GiB.
	MaxBytes int64

	// WarnAt and RefuseAt are percentages of the room there is: see space.
	// Zero means 80 and 95.
	WarnAt, RefuseAt int

	// Followers names those who will call Hold. Until one has, everything is
	// kept for it.
	Followers []string

	Now     func() time.Time // nil means time.Now
	Log     *slog.Logger     // nil means nobody is told
	FS      wal.FS           // nil means the operating system's
	Observe Observer
}

// An Observer is told how long things took, for metrics. Each function may be
// nil; none may block.
type Observer struct {
	Append func(d time.Duration) // from the call of Append to its answer
	Sync   func(d time.Duration) // one fdatasync
	Group  func(events int)      // records covered by one sync
}

func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = 10 << 30
	}
	if o.ChunkBytes == 0 {
		// What is removed is removed by the chunk, so there must be some.
		o.ChunkBytes = min(max(o.MaxBytes/16, 1<<20), 64<<20)
	}
	if o.DedupWindow == 0 {
		o.DedupWindow = 24 * time.Hour
	}
	if o.Keep == 0 {
		o.Keep = 7 * 24 * time.Hour
	}
	if o.WarnAt == 0 {
		o.WarnAt = 80
	}
	if o.RefuseAt == 0 {
		o.RefuseAt = 95
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = wal.OS{}
	}
	if o.Observe.Append == nil {
		o.Observe.Append = func(time.Duration) {}
	}
	if o.Observe.Sync == nil {
		o.Observe.Sync = func(time.Duration) {}
	}
	if o.Observe.Group == nil {
		o.Observe.Group = func(int) {}
	}
	return o
}

// A Journal is an open journal. It is safe for concurrent use. It implements
// store.Store, store.Holder, store.Counter and store.Finder.
type Journal struct {
	options    Options
	durability daybook.Durability
	lock       io.Closer

	batches sync.Pool // of *batch
	queue   *queue
	index   *index
	health  *health
	stall   *stall
	space   *space
	holds   *holds
	room    roomMaker
	clock   *calm
	keeper  *keeper
	damage  *damage
	places  places
	counts  counts
	first   atomic.Pointer[received] // of the oldest record, once it was asked for

	// view is what readers may see. Every byte before the ends it names is
	// synced and never written again, so readers need no lock against the
	// writer: a newer view adds to it, or has lost the oldest chunks.
	view    atomic.Pointer[view]
	changed broadcast // a newer view, or the end

	closed  atomic.Bool
	stopped chan struct{} // closed by run when everything is released
}

var (
	_ store.Store    = (*Journal)(nil)
	_ store.Holder   = (*Journal)(nil)
	_ store.Selector = (*Journal)(nil)
	_ store.Picker   = (*Journal)(nil)
	_ store.Counter  = (*Journal)(nil)
	_ store.Finder   = (*Journal)(nil)
)

// Durability implements [store.Store].
func (j *Journal) Durability() daybook.Durability { return j.durability }

// Ready implements [store.Store].
func (j *Journal) Ready(ctx context.Context) error {
	if j.closed.Load() {
		return daybook.ErrClosed
	}
	if err := j.space.err(); err != nil {
		return err
	}
	if j.stall.lasts() >= hanging {
		return slowDisk(nil)
	}
	return j.health.ready(ctx)
}

// Close implements [store.Store]. When ctx ends first, the groups under way are
// still written and answered, and the directory is released after them.
func (j *Journal) Close(ctx context.Context) error {
	j.closed.Store(true)
	j.queue.close()
	j.changed.send()
	select {
	case <-j.stopped:
		return nil
	case <-ctx.Done():
		return failure(daybook.Unavailable, "closing", "the store is still writing", ctx.Err())
	}
}

// run writes groups until the queue is closed and empty, then releases
// everything. It is the only goroutine that writes to the journal.
func (j *Journal) run(w *writer) {
	defer close(j.stopped)
	sealed := make(chan struct{})
	go func() {
		defer close(sealed)
		j.index.seal()
	}()
	go j.keeper.run()
	for group := j.queue.take(nil); len(group) > 0; group = j.queue.take(group[:0]) {
		w.commit(group)
	}
	j.keeper.end()
	if room := j.room.take(); room != nil {
		room.Drop(j.options.FS) // the chunk that a stop makes needs none
	}
	w.finish()
	j.index.close()
	<-sealed
	j.health.close()
	if err := j.lock.Close(); err != nil {
		j.options.Log.Warn("journal lock not released", "err", err)
	}
}
