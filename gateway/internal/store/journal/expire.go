package journal

import (
	"errors"
	"os"
)

// expire forgets the keys that are older than the window, and removes the key
// files of chunks that are gone once nobody asks them any more. A key is
// remembered for the window and, at most, for as long as its chunk was the
// active one.
func (x *index) expire() error {
	for _, chunk := range x.forget(x.cutoff()) {
		if err := x.files.fs.Remove(x.files.name(chunk)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		x.mu.Lock()
		delete(x.orphans, chunk)
		x.mu.Unlock()
	}
	return nil
}

// cutoff is when what may be forgotten was sealed, at the latest.
func (x *index) cutoff() int64 { return x.clock.now() - int64(x.window) }

// forget drops what is older than cutoff and returns the orphans among it.
func (x *index) forget(cutoff int64) (gone []uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	old, known := 0, map[uint64]bool{}
	now := x.sealed.Load()
	now.each(func(g generation) {
		if g.sealed < cutoff {
			old++
			return
		}
		known[g.chunk] = true
	})
	if old > 0 {
		next := now.without(func(g generation) bool { return g.sealed < cutoff })
		x.sealed.Store(&next)
	}
	for chunk := range x.orphans {
		if !known[chunk] {
			gone = append(gone, chunk)
		}
	}
	return gone
}

// orphan takes note that a chunk is gone.
func (x *index) orphan(chunk uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.orphans[chunk] = true
}

// counts returns how many keys are known, and about how many bytes of memory
// they take.
func (x *index) counts() (keys int, bytes int64) {
	now := x.sealed.Load()
	keys = int(x.claimed.Load())
	bytes = int64(keys) * keysetBytes
	now.each(func(g generation) {
		n := g.keys.keys()
		keys += n
		if f, ok := g.keys.(*keyFile); ok {
			bytes += f.filter.bytes()
			return
		}
		bytes += int64(n) * keysetBytes
	})
	for i := range now.shelves {
		bytes += now.shelves[i].filter.bytes()
	}
	return keys, bytes
}
