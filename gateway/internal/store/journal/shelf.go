package journal

import "daybook.dev/gateway/internal/store"

// Asking the filter of each chunk in the window, of which there may be a
// thousand, would cost the writer more than everything else it does. So the
// chunks stand on shelves, each with one filter over all its chunks' keys; only
// when that says perhaps are the chunks' own filters asked. At ten million
// keys a new key costs one to three looks into memory.

// Shelves grow fourfold from the first size to the last, so that few keys take
// little memory and many keys take few shelves.
const (
	leastShelf = 1 << 19 // keys
	mostShelf  = 1 << 24
)

// A sealed is what is known of the chunks that are no longer written. It is
// never changed, but for bits added to filters.
type sealed struct {
	expected int          // keys the first shelf is made for, at least; known at a start
	loose    []generation // not on a shelf yet, oldest first
	shelves  []shelf      // oldest first
}

// A generation is the keys of one sealed chunk.
type generation struct {
	chunk  uint64
	sealed int64 // when it was, or the newest key was received: see passing
	keys   finder
}

// A shelf is some sealed chunks, oldest first, behind one filter.
type shelf struct {
	filter   filter
	capacity int // keys the filter is made for
	count    int // keys in it
	members  []generation
}

// last is the newest chunk on the shelf. Chunks are put on shelves in order, but
// for one whose key file has to be made again: then more is searched than need be.
func (s *shelf) last() uint64 { return s.members[len(s.members)-1].chunk }

// looked is the newest chunk on any shelf; zero: there is none.
func (s *sealed) looked() uint64 {
	if len(s.shelves) == 0 {
		return 0
	}
	return s.shelves[len(s.shelves)-1].last()
}

// look marks the items whose keys may be in a chunk on a shelf. Appenders call
// it, each for its own, so that the one writer need not wait for so much memory.
// The loop has nothing else in it, so that the processor waits for several
// places in memory at once.
func (s *sealed) look(items []item) {
	for i := range s.shelves {
		f := s.shelves[i].filter
		for k := range items {
			it := &items[k]
			it.likely = f.has(it.entry.key) || it.likely
			if it.twice {
				it.likely = f.has(it.again) || it.likely
			}
		}
	}
}

// search calls ask with the generations that may have key, the newest first,
// until it returns true. Shelves that end with the chunk looked are left out.
func (s *sealed) search(key store.Key, looked uint64, ask func(*generation) bool) {
	for i := len(s.loose) - 1; i >= 0; i-- {
		if ask(&s.loose[i]) {
			return
		}
	}
	for i := len(s.shelves) - 1; i >= 0; i-- {
		on := &s.shelves[i]
		if on.last() <= looked || !on.filter.has(key) {
			continue
		}
		for m := len(on.members) - 1; m >= 0; m-- {
			if ask(&on.members[m]) {
				return
			}
		}
	}
}

// withLoose returns s with g, in the place of what was known of its chunk.
func (s *sealed) withLoose(g generation) sealed {
	next := s.without(func(old generation) bool { return old.chunk == g.chunk })
	next.loose = append(next.loose, g)
	return next
}

// shelve returns s with g on a shelf, and the filter its keys have to be
// entered into before anybody relies on that.
func (s *sealed) shelve(g generation) (sealed, filter) {
	next := s.without(func(old generation) bool { return old.chunk == g.chunk })
	n := g.keys.keys()
	last := len(next.shelves) - 1
	if last < 0 || next.shelves[last].count+n > next.shelves[last].capacity {
		capacity := min(max(leastShelf, s.expected), mostShelf)
		if last >= 0 {
			capacity = min(4*next.shelves[last].capacity, mostShelf)
		}
		capacity = max(capacity, n)
		next.shelves = append(next.shelves, shelf{filter: newFilter(capacity), capacity: capacity})
		last++
	}
	at := &next.shelves[last]
	at.count += n
	at.members = append(at.members, g)
	return next, at.filter
}

// without returns a copy of s without the generations that gone says, and
// without empty shelves.
func (s *sealed) without(gone func(generation) bool) sealed {
	next := sealed{expected: s.expected, loose: kept(s.loose, gone), shelves: make([]shelf, 0, len(s.shelves)+1)}
	for _, old := range s.shelves {
		old.members = kept(old.members, gone)
		if len(old.members) > 0 {
			next.shelves = append(next.shelves, old)
		}
	}
	return next
}

func kept(all []generation, gone func(generation) bool) []generation {
	left := make([]generation, 0, len(all)+1)
	for _, g := range all {
		if !gone(g) {
			left = append(left, g)
		}
	}
	return left
}

// each calls use with every generation.
func (s *sealed) each(use func(generation)) {
	for _, g := range s.loose {
		use(g)
	}
	for i := range s.shelves {
		for _, g := range s.shelves[i].members {
			use(g)
		}
	}
}
