package journal

import (
	"context"
	"errors"
	"os"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// Seek implements [store.Follower]. It opens the chunk that has the record, and
// no others: headers say when the newest record of the chunk before was received.
// So it finds the first record in the order of the store also where the clock was
// set back.
func (j *Journal) Seek(ctx context.Context, t time.Time) (store.Position, error) {
	if j.closed.Load() {
		return 0, daybook.ErrClosed
	}
	v := j.view.Load()
	for i := range v.chunks() {
		if !v.reaches(i, t) {
			continue
		}
		at, found, err := j.seekIn(ctx, v.chunk(i), t)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed since the view was taken
		}
		if found || err != nil {
			return at, err
		}
	}
	return store.Position(v.active.End.Sequence), nil
}

// seekIn returns the position before the first record of a chunk that was
// received at or after t.
func (j *Journal) seekIn(ctx context.Context, c *wal.Listed, t time.Time) (at store.Position, found bool, err error) {
	_, err = j.scanChunk(ctx, c, c.First-1, func(_ *wal.Listed, r wal.Record) bool {
		id, err := store.ParseIdentity(store.Kind(r.Kind), r.Payload)
		found = err == nil && !id.Received.Before(t)
		at = store.Position(r.Sequence - 1)
		return !found
	})
	return at, found, err
}

// reaches reports whether chunk i may have a record received at or after t.
func (v *view) reaches(i int, t time.Time) bool {
	c := v.chunk(i)
	switch {
	case c.End.Chunk != 0 && c.End.Sequence < c.First:
		return false // it has none
	case c.End.Newest != 0:
		return !time.Unix(0, c.End.Newest).Before(t)
	case i+1 == v.chunks():
		return true
	}
	// An older release did not state it, or the next header is lost. Unless the
	// clock jumped, the records were received before the next chunk was made.
	return !v.chunk(i + 1).Created.Before(t)
}
