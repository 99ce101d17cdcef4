package deliver

import (
	"context"
	"errors"
	"sort"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

const (
	// readMax is how many records one read asks for.
	readMax = 2048

	// nearTail is how far behind the newest record a destination counts as
	// being near it. Others read on their own.
	nearTail = 1 << 16

	// gather is how long news are collected before those who wait are woken: a
	// read costs the same for one record and for a hundred.
	gather = 5 * time.Millisecond
)

// A feed reads the store for all destinations. Those near the newest record
// share what was read, so that each record is decoded once; those that lag read
// by themselves and take nothing from the others.
type feed struct {
	from     source
	maxBytes int // of the shared blocks

	reading sync.Mutex // held by whoever reads for all; taken before mu, which is never held while reading

	mu      sync.Mutex
	blocks  []block       // guarded by mu, like everything below: by position, ends ascending
	bytes   int           // of the blocks
	changed chan struct{} // closed when there are news, then replaced
}

// A source is the store as a feed sees it.
type source interface {
	store.Follower
	store.Counter
}

// newest is the position of the newest record, also where it is not kept any
// more.
func newest(s source) store.Position {
	if _, last := s.Bounds(); last != 0 {
		return last
	}
	tallies := s.Tallies()
	return tallies[len(tallies)-1].Position
}

// A block is what one read returned.
type block struct {
	after, last store.Position // it has every record in between
	entries     []store.Entry  // nobody changes them any more
	bytes       int
}

func newFeed(from source, maxBytes int) *feed {
	return &feed{from: from, maxBytes: maxBytes, changed: make(chan struct{})}
}

// run wakes those who wait for news until ctx ends.
func (f *feed) run(ctx context.Context) {
	for {
		err := f.from.Wait(ctx, newest(f.from))
		switch {
		case ctx.Err() != nil || errors.Is(err, daybook.ErrClosed):
			return
		case err != nil:
			pause(ctx, time.Second)
		default:
			pause(ctx, gather)
		}
		f.mu.Lock()
		close(f.changed)
		f.changed = make(chan struct{})
		f.mu.Unlock()
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// news returns a channel that is closed when there is more to read than at the
// time of the call.
func (f *feed) news() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// next returns the records behind a position up to another, all there are in
// between; none at the end of the store, where last equals after. Nobody may
// change them. What lies between after and last and is not among them does not
// exist any more.
func (f *feed) next(ctx context.Context, after store.Position) (entries []store.Entry, last store.Position, err error) {
	end := newest(f.from)
	if end <= after {
		return nil, after, nil
	}
	if end-after > nearTail {
		b, err := f.read(ctx, after, readMax)
		return b.entries, b.last, err
	}
	if b, ok := f.cached(after); ok {
		return b.entries, b.last, nil
	}
	f.reading.Lock()
	defer f.reading.Unlock()
	if b, ok := f.cached(after); ok { // somebody else has read it meanwhile
		return b.entries, b.last, nil
	}
	b, err := f.read(ctx, after, f.room(after))
	if err != nil {
		return nil, after, err
	}
	f.keep(b)
	return b.entries, b.last, nil
}

func (f *feed) read(ctx context.Context, after store.Position, most int) (block, error) {
	end := newest(f.from)
	entries, err := f.from.Read(ctx, after, most)
	b := block{after: after, last: after, entries: entries}
	if err != nil {
		return b, err
	}
	if len(entries) == 0 {
		// Nothing up to the newest record can be read: it is damaged, or gone.
		b.last = max(after, end)
		return b, nil
	}
	b.last = entries[len(entries)-1].Position
	for i := range entries {
		e := &entries[i]
		e.Event = e.Outgoing() // once for all destinations
		b.bytes += recordBytes(&e.Record)
	}
	return b, nil
}

// recordBytes is about how much memory a record takes.
func recordBytes(r *store.Record) int {
	const fixed = 700 // the record, its origin, and what allocations round up to
	return fixed + eventBytes(&r.Event) + len(r.Caller) + len(r.Scope)
}

// eventBytes is about how large an event is where it is sent.
func eventBytes(e *daybook.Event) int {
	return len(e.ID) + len(e.Name) + len(e.Type) + len(e.Actor) + len(e.IdempotencyKey) + len(e.Metadata)
}

// cached returns what of a shared block lies behind a position.
func (f *feed) cached(after store.Position) (block, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := sort.Search(len(f.blocks), func(i int) bool { return f.blocks[i].last > after })
	if i == len(f.blocks) || f.blocks[i].after > after {
		return block{}, false
	}
	b := f.blocks[i]
	from := sort.Search(len(b.entries), func(i int) bool { return b.entries[i].Position > after })
	b.entries = b.entries[from:]
	return b, true
}

// room is how many records may be read behind a position before a shared block
// has them.
func (f *feed) room(after store.Position) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := sort.Search(len(f.blocks), func(i int) bool { return f.blocks[i].last > after })
	if i == len(f.blocks) {
		return readMax
	}
	return int(min(readMax, max(1, f.blocks[i].after-after)))
}

// keep shares a block, and lets go of the oldest ones beyond the limit.
func (f *feed) keep(b block) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := sort.Search(len(f.blocks), func(i int) bool { return f.blocks[i].last >= b.last })
	if i < len(f.blocks) && f.blocks[i].after <= b.after {
		return
	}
	f.blocks = append(f.blocks, block{})
	copy(f.blocks[i+1:], f.blocks[i:])
	f.blocks[i] = b
	f.bytes += b.bytes
	for f.bytes > f.maxBytes && len(f.blocks) > 1 {
		f.bytes -= f.blocks[0].bytes
		f.blocks[0] = block{}
		f.blocks = f.blocks[1:]
	}
}
