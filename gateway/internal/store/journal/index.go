package journal

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"daybook.dev/gateway/internal/store"
)

// An index knows the keys of all records within the deduplication window: those
// of the active chunk in memory, those of the sealed chunks in key files behind
// filters. It is a cache: everything in it stands in the records.
type index struct {
	files  keyFiles
	window time.Duration
	now    func() time.Time
	log    *slog.Logger

	// The writer's own.
	active *keyset
	chunk  uint64       // whose keys active has; zero: none yet
	group  []generation // sealed as it was when the group began
	cutoff int64        // keys received before it need not be known any more

	// claimed is how many keys active has, for whoever asks.
	claimed atomic.Int64

	// work goes from the writer, which closes it, to seal. Its capacity bounds
	// how many sealed chunks have their keys in memory.
	work chan fullSet

	mu     sync.Mutex
	sealed []generation // guarded by mu; oldest first; replaced, never changed
}

// A generation is the keys of one sealed chunk.
type generation struct {
	chunk  uint64
	newest int64 // received, over all keys
	keys   finder
}

// A fullSet is the keys of a chunk that has just been sealed.
type fullSet struct {
	chunk uint64
	keys  *keyset
}

// A finder is a keyset, or a key file once there is one.
type finder interface {
	find(key store.Key) (entry, bool, error)
}

func newIndex(o Options, files keyFiles) *index {
	return &index{
		files: files, window: o.DedupWindow, now: o.Now, log: o.Log,
		active: &keyset{}, work: make(chan fullSet, 1),
	}
}

// oldest is before when keys were received that need not be known any more.
func (x *index) oldest() int64 { return x.now().Add(-x.window).UnixNano() }

// begin starts a group. The mark it returns takes back what the group claims.
func (x *index) begin() mark {
	x.mu.Lock()
	x.group = x.sealed
	x.mu.Unlock()
	x.cutoff = x.oldest()
	return x.active.mark()
}

// end ends the group.
func (x *index) end() { x.claimed.Store(int64(len(x.active.entries))) }

// rollback forgets the keys claimed since the mark: their records were not
// stored.
func (x *index) rollback(to mark) { x.active.back(to) }

// claim returns the entry that has e's key already, or enters e.
func (x *index) claim(e entry, received int64) (first entry, known bool) {
	for i := len(x.group) - 1; i >= 0; i-- {
		if g := &x.group[i]; g.newest >= x.cutoff {
			if first, known = x.look(g, e.key); known {
				return first, true
			}
		}
	}
	return x.active.claim(e, received)
}

// look asks one generation. When its file cannot be read, its keys are gone
// until the next start rebuilds them: refusing all events instead would turn
// one bad sector of a cache into an outage.
func (x *index) look(g *generation, key store.Key) (entry, bool) {
	e, ok, err := g.keys.find(key)
	if err == nil {
		return e, ok
	}
	x.log.Error("journal key file unreadable; copies of its events will not be recognised before a restart",
		"chunk", g.chunk, "err", err)
	gone := g.chunk
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sealed = slices.DeleteFunc(slices.Clone(x.sealed), func(g generation) bool { return g.chunk == gone })
	x.group = x.sealed
	return entry{}, false
}

// next seals the active keys and begins those of another chunk. It waits while
// the key files of earlier chunks are still being written.
func (x *index) next(chunk uint64) {
	if x.chunk != 0 {
		// The keys stay known while the file is written.
		x.replace(generation{chunk: x.chunk, newest: x.active.newest, keys: x.active})
		x.work <- fullSet{chunk: x.chunk, keys: x.active}
	}
	x.active, x.chunk = &keyset{}, chunk
	x.end()
}

// seal writes key files until close.
func (x *index) seal() {
	for full := range x.work {
		x.store(full.chunk, full.keys)
	}
}

// store writes the key file of a sealed chunk and keeps only that. When it
// cannot be written the keys stay in memory, and the next start tries again.
func (x *index) store(chunk uint64, keys *keyset) {
	g := generation{chunk: chunk, newest: keys.newest, keys: keys}
	if file, err := x.files.write(chunk, keys); err == nil {
		g.keys = file
	} else {
		x.log.Warn("journal key file not written", "chunk", chunk, "err", err)
	}
	x.replace(g)
}

func (x *index) close() { close(x.work) }

// replace puts g in the place of what is known of its chunk, and forgets what
// is too old to be asked.
func (x *index) replace(g generation) {
	cutoff := x.oldest()
	x.mu.Lock()
	defer x.mu.Unlock()
	next := make([]generation, 0, len(x.sealed)+1)
	for _, old := range x.sealed {
		if old.chunk < g.chunk && old.newest >= cutoff {
			next = append(next, old)
		}
	}
	next = append(next, g)
	for _, old := range x.sealed {
		if old.chunk > g.chunk && old.newest >= cutoff {
			next = append(next, old)
		}
	}
	x.sealed = next
}

// keys is how many keys are known.
func (x *index) keys() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := int(x.claimed.Load())
	for _, g := range x.sealed {
		switch k := g.keys.(type) {
		case *keyset:
			n += len(k.entries)
		case *keyFile:
			n += k.count
		}
	}
	return n
}
