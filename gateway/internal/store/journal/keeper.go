package journal

import (
	"errors"
	"time"
)

// tending is how often the keeper looks after the disk.
const tending = 2 * time.Second

// A keeper does what must not hold up the writer: it watches the room on the
// disk, removes what is old, forgets old keys, mends their files, and makes room
// for the next chunk.
type keeper struct {
	journal   *Journal
	retention retention
	mending   mending
	failing   bool // the last attempt to remove something

	wake chan struct{} // from the writer: something has grown
	stop chan struct{} // closed when the keeper has to end
	done chan struct{} // closed when it has
}

func newKeeper(j *Journal) *keeper {
	return &keeper{
		journal: j, retention: retention{journal: j}, mending: mending{journal: j},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// run tends the journal until stop is closed.
func (k *keeper) run() {
	defer close(k.done)
	ticks := time.NewTicker(tending)
	defer ticks.Stop()
	k.tend()
	for {
		select {
		case <-ticks.C:
		case <-k.wake:
		case <-k.stop:
			return
		}
		k.tend()
	}
}

// nudge makes the keeper look soon. It never waits.
func (k *keeper) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) end() {
	close(k.stop)
	<-k.done
}

func (k *keeper) tend() {
	now, _ := k.journal.clock.bounds()
	k.removed(errors.Join(k.retention.apply(now), k.journal.index.expire()))
	k.mending.apply()
	k.look()
	k.makeRoom()
}

// removed logs the first of several failures to remove something.
func (k *keeper) removed(err error) {
	if err != nil && !k.failing {
		k.journal.options.Log.Error("journal cannot remove what is old; it will try again", "err", err)
	}
	k.failing = err != nil
}

// look measures the room.
func (k *keeper) look() {
	j := k.journal
	v := j.view.Load()
	u := usage{taken: j.taken(v), held: j.held(v), free: -1}
	if leaving := k.retention.leaving; leaving != nil {
		u.taken += leaving.Size
	}
	if volume, err := j.options.FS.Volume(j.options.Dir); err == nil {
		u.free, u.size = volume.Free, volume.Size
	}
	j.space.look(u)
}

// makeRoom makes room for the next chunk when it will soon be needed. Without
// it the chunk grows as it is written, which is slower and nothing else.
func (k *keeper) makeRoom() {
	j := k.journal
	active := j.view.Load().active
	size := j.options.ChunkBytes
	if size < leastRoom || active.End.Offset < size/roomShare || !j.room.wanted.Load() || j.space.err() != nil {
		return
	}
	if err := j.room.make(j.options.FS, chunkDirectory(j.options.Dir), size, k.stopping); err != nil {
		j.options.Log.Debug("no room made for the next journal chunk", "err", err)
	}
}

func (k *keeper) stopping() error {
	select {
	case <-k.stop:
		return errStopping
	default:
		return nil
	}
}
