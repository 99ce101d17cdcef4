package journal

import (
	"sort"
	"sync"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// A view is everything that is synced at one moment. It is never changed.
type view struct {
	// sealed are the chunks no longer written to, oldest first. Views share
	// the array: the writer appends behind what older views can see.
	sealed []wal.Listed

	// active is the chunk being written; its End is the synced one.
	active wal.Listed

	// events is how many were stored in all, up to that end.
	events uint64
}

// chunks is how many chunks there are.
func (v *view) chunks() int { return len(v.sealed) + 1 }

// chunk returns chunk i, oldest first.
func (v *view) chunk(i int) *wal.Listed {
	if i == len(v.sealed) {
		return &v.active
	}
	return &v.sealed[i]
}

// find returns the number of the chunk that holds the record behind position
// after, or the oldest one where that is no longer kept.
func (v *view) find(after store.Position) int {
	later := sort.Search(v.chunks(), func(i int) bool { return v.chunk(i).First > uint64(after)+1 })
	// Chunks that start with the same sequence are empty but for the last.
	return max(later-1, 0)
}

// bounds returns the positions of the oldest record and of the newest.
func (v *view) bounds() (oldest, newest store.Position) {
	newest = store.Position(v.active.End.Sequence)
	oldest = store.Position(v.chunk(0).First)
	if oldest > newest {
		return 0, 0
	}
	return oldest, newest
}

// with returns the view after the active chunk has grown to end, and the number
// of events stored in all.
func (v *view) with(end wal.End, events uint64) *view {
	next := *v
	next.events = events
	next.active.End, next.active.Size = end, max(next.active.Size, end.Offset)
	return &next
}

// follow returns the view after a new chunk has become the active one.
func (v *view) follow(active wal.Listed) *view {
	return &view{sealed: append(v.sealed, v.active), active: active, events: v.events}
}

// rest returns the view without its oldest chunk, which is sealed.
func (v *view) rest() *view {
	return &view{sealed: v.sealed[1:], active: v.active, events: v.events}
}

// publish replaces what readers see by what change makes of it. The writer adds
// and the keeper takes away: change may be called again when the other was
// quicker.
func (j *Journal) publish(change func(*view) *view) {
	for {
		old := j.view.Load()
		if j.view.CompareAndSwap(old, change(old)) {
			break
		}
	}
	j.changed.send()
}

// A broadcast wakes everybody who waits.
type broadcast struct {
	mu      sync.Mutex
	waiting chan struct{} // guarded by mu; nil while nobody waits; closed by send
}

// next returns a channel that the next send closes.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		b.waiting = make(chan struct{})
	}
	return b.waiting
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting != nil {
		close(b.waiting)
		b.waiting = nil
	}
}
