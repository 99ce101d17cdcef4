package journal

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// A retention removes sealed chunks, oldest first: those older than they are to
// be kept, and those beyond the size the journal may have. What a follower
// still needs stays, up to that size. Only the keeper uses it.
type retention struct {
	journal *Journal

	// leaving is the chunk being removed. Readers do not see it any more; it
	// is taken up again until it is gone, because removing a later one first
	// would leave a gap that looks like damage.
	leaving *wal.Listed

	// unreadable are chunks with a damaged header, oldest first. Each goes with
	// the next readable one.
	unreadable []wal.Listed

	complete completion
}

// apply removes what has to go. now is the time that is believed.
func (r *retention) apply(now time.Time) error {
	r.complete.look(r.journal.view.Load())
	for {
		if err := r.finish(); err != nil {
			return err
		}
		if !r.choose(now) {
			return nil
		}
	}
}

// choose takes the oldest chunk from the readers' view, if it has to go.
func (r *retention) choose(now time.Time) bool {
	j := r.journal
	v := j.view.Load()
	if len(v.sealed) == 0 {
		return false
	}
	oldest, next := v.sealed[0], v.chunk(1)
	first, last := store.Position(oldest.First), store.Position(next.First-1)
	needed := j.holds.low(last) < last
	full := j.taken(v) > j.options.MaxBytes
	if !full && (needed || r.complete.since(&oldest, next, now) <= j.options.Keep) {
		return false
	}
	for _, lost := range j.holds.evict(first, last) {
		j.options.Log.Error("journal is full: events were removed that a destination has not received",
			"destination", lost.name, "events", lost.records, "first", first, "last", last, "max_size", j.options.MaxBytes)
	}
	j.options.Log.Info("journal removes its oldest chunk", "chunk", oldest.ID,
		"first", first, "last", last, "bytes", oldest.Size, "full", full)
	r.leaving = &oldest
	j.publish((*view).rest)
	return true
}

// finish removes the file of the chunk that is leaving. Each removal is kept
// before the next begins: a crash may not keep a later one and lose this.
func (r *retention) finish() error {
	if r.leaving == nil {
		return nil
	}
	for len(r.unreadable) > 0 && r.unreadable[0].ID < r.leaving.ID {
		if err := r.remove(r.unreadable[0].Name); err != nil {
			return err
		}
		r.unreadable = r.unreadable[1:]
	}
	if err := r.remove(r.leaving.Name); err != nil {
		return err
	}
	r.journal.index.orphan(r.leaving.ID)
	r.complete.forget(r.leaving.ID)
	r.leaving = nil
	return nil
}

func (r *retention) remove(name string) error {
	fs := r.journal.options.FS
	if err := fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return fs.SyncDir(filepath.Dir(name))
}

// taken is how many bytes the files take: chunks and the room for the next.
func (j *Journal) taken(v *view) int64 {
	bytes := j.room.bytes()
	for i := range v.chunks() {
		bytes += v.chunk(i).Size
	}
	return bytes
}

// held is how many bytes of chunks are there only because a follower needs
// them, or may never be removed: what removing cannot give back.
func (j *Journal) held(v *view) int64 {
	low := uint64(j.holds.low(store.Position(v.active.First - 1)))
	bytes := j.room.bytes() + v.active.Size
	for i := range v.sealed {
		if v.chunk(i+1).First-1 > low {
			bytes += v.sealed[i].Size
		}
	}
	return bytes
}
