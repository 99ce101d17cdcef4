package journal

import (
	"context"
	"slices"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// maxLook is how many bytes of payload one ReadKinds looks at, give or take a
// record, so that it returns now and then also where it finds nothing.
const maxLook = 64 << 20

// ReadKinds implements [store.Selector]. The kind of a record stands in its
// frame, so what is passed over is checked but never decoded.
func (j *Journal) ReadKinds(ctx context.Context, after store.Position, most int, kinds ...store.Kind) ([]store.Entry, store.Position, error) {
	if j.closed.Load() {
		return nil, after, daybook.ErrClosed
	}
	// What is synced by now has been looked at when the scan comes to its end,
	// also where the newest records are damaged.
	_, end := j.Bounds()
	var entries []store.Entry
	through, look, room := after, maxLook, maxRead
	err := j.scan(ctx, after, func(c *wal.Listed, r wal.Record) bool {
		if len(entries) >= most || look <= 0 || room <= 0 {
			end = through
			return false
		}
		through = store.Position(r.Sequence)
		look -= len(r.Payload)
		if !slices.Contains(kinds, store.Kind(r.Kind)) {
			return true
		}
		room -= len(r.Payload)
		record, err := store.ParseRecord(store.Kind(r.Kind), r.Payload)
		if err != nil {
			j.damage.record(c, unparsed(r, err))
			return true
		}
		entries = append(entries, store.Entry{Position: through, Record: record})
		return true
	})
	if err != nil {
		return nil, after, err
	}
	return entries, max(through, end), nil
}
