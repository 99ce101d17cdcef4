package journal

import (
	"maps"
	"sync"

	"daybook.dev/gateway/internal/store"
)

// holds knows which followers still need which records.
type holds struct {
	mu      sync.Mutex
	after   map[string]store.Position // guarded by mu, like everything below: needed is what lies behind
	evicted map[string]uint64         // records removed although they were needed
}

func newHolds(names []string) *holds {
	h := &holds{after: map[string]store.Position{}, evicted: map[string]uint64{}}
	for _, name := range names {
		h.after[name] = 0
	}
	return h
}

func (h *holds) set(name string, after store.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.after[name] = after
}

func (h *holds) release(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.after, name)
}

// low is the position behind which somebody needs the records, or last when
// nobody needs any before it.
func (h *holds) low(last store.Position) store.Position {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, after := range h.after {
		last = min(last, after)
	}
	return last
}

// An eviction is what one follower loses.
type eviction struct {
	name    string
	records uint64
}

// evict counts the records from first to last as lost to those who need them.
func (h *holds) evict(first, last store.Position) []eviction {
	h.mu.Lock()
	defer h.mu.Unlock()
	var lost []eviction
	for name, after := range h.after {
		if after >= last {
			continue
		}
		n := uint64(last - max(after, first-1))
		h.evicted[name] += n
		lost = append(lost, eviction{name: name, records: n})
	}
	return lost
}

func (h *holds) counts() map[string]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.evicted)
}

// Hold implements [store.Holder].
func (j *Journal) Hold(name string, after store.Position) { j.holds.set(name, after) }

// Release implements [store.Holder].
func (j *Journal) Release(name string) { j.holds.release(name) }
