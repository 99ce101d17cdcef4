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
	for room := maxRead; looked < len(positions) && room > 0; {
		first := looked
		err := j.scan(ctx, positions[looked]-1, func(c *wal.Listed, r wal.Record) bool {
			for looked < len(positions) && positions[looked] < store.Position(r.Sequence) {
				looked++ // it is not there
			}
			if looked == len(positions) || room <= 0 || positions[looked] > store.Position(r.Sequence)+passOver {
				return false
			}
			if positions[looked] > store.Position(r.Sequence) {
				return true
			}
			looked++
			room -= len(r.Payload)
			record, err := store.ParseRecord(store.Kind(r.Kind), r.Payload)
			if err != nil {
				j.damage.record(c, unparsed(r, err))
				return true
			}
			entries = append(entries, store.Entry{Position: store.Position(r.Sequence), Record: record})
			return true
		})
		if err != nil {
			return nil, 0, err
		}
		if looked == first {
			looked = len(positions) // the end of the journal: none of the others is there
		}
	}
	return entries, looked, nil
}
