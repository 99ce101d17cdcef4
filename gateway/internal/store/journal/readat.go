package journal

import (
	"context"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// passOver is how many records ReadAt passes over to come to the next one: about
// as many as cost what it takes to begin elsewhere.
const passOver = 4096

// ReadAt implements [store.Picker].
func (j *Journal) ReadAt(ctx context.Context, positions []store.Position) (entries []store.Entry, looked int, err error) {
	if j.closed.Load() {
		return nil, 0, daybook.ErrClosed
	}
	p := picking{damage: j.damage, left: positions, room: maxRead}
	for len(p.left) > 0 && p.room > 0 {
		before := len(p.left)
		if err := j.scan(ctx, p.left[0]-1, p.use); err != nil {
			return nil, 0, err
		}
		if len(p.left) == before {
			p.left = nil // the end of the journal: none of the others is there
		}
	}
	return p.entries, len(positions) - len(p.left), nil
}

// A picking reads records at some positions.
type picking struct {
	damage  *damage
	left    []store.Position // not looked at yet, ascending
	room    int              // bytes that may still be read
	entries []store.Entry
}

// use takes a record of a scan. False means that the next one wanted, if there
// is any, is better looked for from where it is.
func (p *picking) use(c *wal.Listed, r wal.Record) bool {
	at := store.Position(r.Sequence)
	for len(p.left) > 0 && p.left[0] < at {
		p.left = p.left[1:] // it is not there
	}
	switch {
	case len(p.left) == 0 || p.room <= 0 || p.left[0] > at+passOver:
		return false
	case p.left[0] > at:
		return true
	}
	p.left = p.left[1:]
	p.room -= len(r.Payload)
	record, err := store.ParseRecord(store.Kind(r.Kind), r.Payload)
	if err != nil {
		p.damage.record(c, unparsed(r, err))
		return true
	}
	p.entries = append(p.entries, store.Entry{Position: at, Record: record})
	return true
}
