package journal

import (
	"time"

	"daybook.dev/internal/wal"
)

// mendPatience is how long the keeper waits at most before it tries again to read
// key files that could not be read.
const mendPatience = time.Minute

// A mending has key files asked again that could not be read. Only the keeper
// uses it.
type mending struct {
	journal *Journal
	wait    time.Duration // until the next attempt; grows while attempts fail
	next    time.Time     // not before, in time that passes
}

// apply reads those that are failing once more, or makes them again from their
// chunks: a sector that cannot be read any more is not met in a new file.
func (m *mending) apply() {
	failing := m.journal.index.failing()
	if len(failing) == 0 {
		m.wait = 0
		return
	}
	if time.Now().Before(m.next) {
		return
	}
	for _, g := range failing {
		m.mend(g)
	}
	m.wait = min(max(2*m.wait, tending), mendPatience)
	m.next = time.Now().Add(m.wait)
}

func (m *mending) mend(g generation) {
	x, log := m.journal.index, m.journal.options.Log
	_, err := x.files.open(g.chunk)
	if err == nil {
		g.keys.(*keyFile).failing.Store(false)
		log.Info("journal key file can be read again", "chunk", g.chunk)
		return
	}
	if c := m.journal.view.Load().sealedChunk(g.chunk); c != nil {
		log.Warn("journal key file is made again", "chunk", g.chunk, "err", err)
		m.journal.rebuild(c, g.sealed)
	}
}

// failing returns the generations whose files could not be read.
func (x *index) failing() (all []generation) {
	x.sealed.Load().each(func(g generation) {
		if f, ok := g.keys.(*keyFile); ok && f.failing.Load() {
			all = append(all, g)
		}
	})
	return all
}

// sealedChunk returns the sealed chunk with an id, or nil where it is gone.
func (v *view) sealedChunk(id uint64) *wal.Listed {
	for i := range v.sealed {
		if v.sealed[i].ID == id {
			return &v.sealed[i]
		}
	}
	return nil
}
