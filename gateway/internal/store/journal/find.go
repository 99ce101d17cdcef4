package journal

import (
	"context"
	"errors"
	"os"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// Find implements [store.Finder]. The key is looked for in memory, and in at most
// a few key files: those whose filter says that it may be there.
func (j *Journal) Find(ctx context.Context, key store.Key) (at store.Position, found bool, err error) {
	if j.closed.Load() {
		return 0, false, daybook.ErrClosed
	}
	e, found, err := j.find(ctx, key)
	if errors.Is(err, os.ErrNotExist) {
		// Its keys have been forgotten just now, and then the file removed.
		e, found, err = j.find(ctx, key)
	}
	if err != nil {
		return 0, false, unreadable(err)
	}
	return store.Position(e.sequence), found, nil
}

func (j *Journal) find(ctx context.Context, key store.Key) (entry, bool, error) {
	// In this order: what the view has was synced before it was taken, and keys
	// go from the active chunk to the sealed ones, never back.
	synced := j.view.Load().active.End.Sequence
	if e, known := j.index.inActive(key); known && e.sequence <= synced {
		return e, true, nil
	}
	return j.index.inSealed(ctx, key)
}

// inActive looks among the keys of the active chunk. Those of the group under
// way are there too, before they are synced.
func (x *index) inActive(key store.Key) (entry, bool) {
	x.claiming.Lock()
	defer x.claiming.Unlock()
	e, known, _ := x.active.find(key) // memory does not fail
	return e, known
}

// inSealed looks among the keys of the chunks that are no longer written.
func (x *index) inSealed(ctx context.Context, key store.Key) (found entry, known bool, err error) {
	x.sealed.Load().search(key, 0, func(g *generation) bool {
		if err = ctx.Err(); err == nil {
			found, known, err = g.keys.find(key)
		}
		return known || err != nil
	})
	return found, known, err
}
