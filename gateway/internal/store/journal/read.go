package journal

import (
	"context"
	"errors"
	"os"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// maxRead is how many bytes of payload one Read returns, give or take a record.
const maxRead = 4 << 20

// Read implements [store.Follower]. It reads with descriptors of its own and
// takes no lock that the writer holds.
func (j *Journal) Read(ctx context.Context, after store.Position, max int) ([]store.Entry, error) {
	if j.closed.Load() {
		return nil, daybook.ErrClosed
	}
	var entries []store.Entry
	if _, newest := j.Bounds(); newest > after {
		entries = make([]store.Entry, 0, min(uint64(max), uint64(newest-after)))
	}
	room := maxRead
	err := j.scan(ctx, after, func(c *wal.Listed, r wal.Record) bool {
		if len(entries) >= max || room <= 0 {
			return false
		}
		room -= len(r.Payload)
		record, err := store.ParseRecord(store.Kind(r.Kind), r.Payload)
		if err != nil {
			j.damage.record(c, unparsed(r, err))
			return true
		}
		entries = append(entries, store.Entry{Position: store.Position(r.Sequence), Record: record})
		return true
	})
	return entries, err
}

// scan calls use with the synced records behind position after, until it
// returns false.
func (j *Journal) scan(ctx context.Context, after store.Position, use func(*wal.Listed, wal.Record) bool) error {
	v := j.view.Load()
	for i := v.find(after); i < v.chunks(); i++ {
		more, err := j.scanChunk(ctx, v.chunk(i), uint64(after), use)
		if now := j.view.Load(); errors.Is(err, os.ErrNotExist) && now.chunk(0).ID > v.chunk(i).ID {
			// Removed since the view was taken: go on with the oldest one kept.
			v, i = now, -1
			continue
		}
		if !more || err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) scanChunk(ctx context.Context, c *wal.Listed, after uint64, use func(*wal.Listed, wal.Record) bool) (more bool, err error) {
	if c.End.Chunk != 0 && c.End.Sequence <= after {
		return true, nil
	}
	file, err := j.options.FS.Open(c.Name)
	if err != nil {
		return false, unreadable(err)
	}
	defer func() { _ = file.Close() }()

	scan := wal.Scan(file, *c)
	scan.Damaged = func(d wal.Damage) { j.damage.record(c, d) }
	if at, ok := j.places.nearest(c.ID, after+1); ok {
		scan.StartAt(at.offset, at.sequence)
	}
	for {
		end := scan.End()
		r, ok := scan.Next()
		switch {
		case !ok && scan.Err() != nil:
			return false, unreadable(scan.Err())
		case ctx.Err() != nil:
			return false, ctx.Err()
		case ok && r.Sequence <= after:
			continue
		case ok && use(c, r):
			continue
		}
		j.places.remember(place{chunk: c.ID, sequence: end.Sequence + 1, offset: end.Offset})
		return !ok, nil
	}
}

func unreadable(err error) *daybook.Error {
	return failure(daybook.Unavailable, "store_unreadable", "the store could not be read", err)
}

// Wait implements [store.Follower].
func (j *Journal) Wait(ctx context.Context, after store.Position) error {
	for {
		changed := j.changed.next() // before looking, or a change in between is missed
		if j.closed.Load() {
			return daybook.ErrClosed
		}
		if _, newest := j.Bounds(); newest > after {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Bounds implements [store.Follower].
func (j *Journal) Bounds() (oldest, newest store.Position) { return j.view.Load().bounds() }
