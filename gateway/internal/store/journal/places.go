package journal

import "sync"

// A place is where a record begins.
type place struct {
	chunk    uint64
	sequence uint64
	offset   int64
}

// places remembers where readers stopped, so that the next read of the same
// follower does not scan the chunk from its start. A place stays right for
// ever: chunks never change and their ids are never used again.
type places struct {
	mu   sync.Mutex
	ring [64]place // guarded by mu
	next int       // guarded by mu
}

// nearest returns the last known place in the chunk that is not behind the
// record with the given sequence.
func (p *places) nearest(chunk, sequence uint64) (best place, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range &p.ring {
		if at.chunk == chunk && at.sequence <= sequence && at.sequence > best.sequence {
			best = at
		}
	}
	return best, best.chunk != 0
}

func (p *places) remember(at place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ring[p.next] = at
	p.next = (p.next + 1) % len(p.ring)
}
