package journal

import (
	"log/slog"
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
	again  bool // an idempotency key identifies an event too
	log    *slog.Logger
	clock  passing

	// The writer's own, but that others look into active.
	chunk  uint64   // whose keys active has; zero: none yet
	group  *sealed  // as it was when the group began
	search searcher // in key files, while it decides about a group

	// claiming is held by the writer while it decides about a group, not while
	// it writes it.
	claiming sync.Mutex
	active   *keyset // guarded by claiming

	// claimed is how many keys active has, for whoever asks.
	claimed atomic.Int64

	// work goes from the writer, which closes it, to seal. Its capacity bounds
	// how many sealed chunks have their keys in memory.
	work chan fullSet

	sealed atomic.Pointer[sealed] // replaced under mu

	mu      sync.Mutex
	orphans map[uint64]bool // guarded by mu: chunks that are gone; their key files stay for the window
}

// A fullSet is the keys of a chunk that has just been sealed.
type fullSet struct {
	chunk  uint64
	keys   *keyset
	sealed int64 // when
}

// A finder is a keyset, or a key file once there is one.
type finder interface {
	find(key store.Key) (entry, bool, error)
	keys() int
}

func newIndex(o Options, files keyFiles, now time.Time) *index {
	x := &index{
		files: files, window: o.DedupWindow, again: o.IdempotencyKeys, log: o.Log, clock: startPassing(now),
		active: &keyset{}, work: make(chan fullSet, 1), orphans: map[uint64]bool{},
	}
	x.sealed.Store(&sealed{})
	return x
}

// begin starts to decide about a group. The mark it returns takes back what the
// group claims.
func (x *index) begin() mark {
	x.claiming.Lock()
	x.group = x.sealed.Load()
	return x.active.mark()
}

// decided ends what begin has started.
func (x *index) decided() {
	x.search.close()
	x.claimed.Store(int64(len(x.active.entries)))
	x.claiming.Unlock()
}

// rollback forgets the keys claimed since the mark: their records were not
// stored.
func (x *index) rollback(to mark) {
	x.claiming.Lock()
	defer x.decided()
	x.active.back(to)
}

// claim returns the entry that has a key of it already, and which of its keys
// that is, or enters its keys. The event's id counts before its idempotency
// key. looked is what the item's appender has looked through.
func (x *index) claim(it *item, looked uint64) (first entry, by keyName, known bool) {
	if it.likely {
		looked = 0
	}
	if first, known = x.find(it.entry.key, looked); known {
		return first, byID, true
	}
	if !it.twice {
		first, known = x.active.claim(it.entry, it.time)
		return first, byID, known
	}
	if first, known, _ = x.active.find(it.entry.key); known {
		return first, byID, true
	}
	if x.again {
		if first, known = x.find(it.again, looked); known {
			return first, byIdempotencyKey, true
		}
		if first, known, _ = x.active.find(it.again); known {
			return first, byIdempotencyKey, true
		}
	}
	x.active.claimBoth(it.entry, it.again, it.time)
	return entry{}, byID, false
}

// find looks for key in the sealed chunks, the newest first, but not on the
// shelves that end with the chunk looked.
func (x *index) find(key store.Key, looked uint64) (first entry, known bool) {
	x.group.search(key, looked, func(g *generation) bool {
		first, known = x.look(g, key)
		return known
	})
	return first, known
}

// look asks one generation. While its file cannot be read its keys are taken for
// new: refusing all events instead would turn one bad sector of a cache into an
// outage. The keeper sees to it that this does not last.
func (x *index) look(g *generation, key store.Key) (entry, bool) {
	file, onDisk := g.keys.(*keyFile)
	if !onDisk {
		e, ok, _ := g.keys.find(key) // memory does not fail
		return e, ok
	}
	if file.failing.Load() {
		return entry{}, false
	}
	e, ok, err := x.search.find(file, key)
	if err != nil && x.knows(g.chunk) { // else it was forgotten just now, and removed
		file.failing.Store(true)
		x.log.Error("journal key file unreadable; copies of its events are not recognised until it can be read again",
			"chunk", g.chunk, "err", err)
	}
	return e, ok && err == nil
}

// knows reports whether the keys of a sealed chunk are still remembered.
func (x *index) knows(chunk uint64) (known bool) {
	x.sealed.Load().each(func(g generation) { known = known || g.chunk == chunk })
	return known
}

// next seals the active keys and begins those of another chunk, which is expected
// to have some number of them. It waits while
// the key files of earlier chunks are still being written.
func (x *index) next(chunk uint64, expect int) {
	if x.chunk != 0 {
		// The keys stay known while the file is written.
		full := fullSet{chunk: x.chunk, keys: x.active, sealed: x.clock.now()}
		x.change(func(s sealed) sealed { return s.withLoose(full.generation(full.keys)) })
		x.work <- full
	}
	x.claiming.Lock()
	defer x.decided()
	x.active, x.chunk = newKeyset(expect), chunk
}

// seal writes key files until close.
func (x *index) seal() {
	for full := range x.work {
		x.store(full)
	}
}

// generation is what is known of the chunk, with its keys in memory or in a file.
func (f fullSet) generation(keys finder) generation {
	return generation{chunk: f.chunk, sealed: f.sealed, keys: keys}
}

// store writes the key file of a sealed chunk and keeps only that. When it
// cannot be written the keys stay in memory, and the next start tries again.
func (x *index) store(full fullSet) {
	file, err := x.files.write(full.chunk, full.keys)
	if err != nil {
		x.log.Warn("journal key file not written", "chunk", full.chunk, "err", err)
		x.change(func(s sealed) sealed { return s.withLoose(full.generation(full.keys)) })
		return
	}
	x.change(func(s sealed) sealed {
		s, f := s.shelve(full.generation(file))
		for i := range full.keys.entries {
			f.addShared(full.keys.entries[i].key)
		}
		return s
	})
}

func (x *index) close() { close(x.work) }

// change replaces what is known of sealed chunks. The lock is held long only
// while a chunk is put on its shelf, which costs some milliseconds.
func (x *index) change(to func(sealed) sealed) {
	x.mu.Lock()
	defer x.mu.Unlock()
	next := to(*x.sealed.Load())
	x.sealed.Store(&next)
}
