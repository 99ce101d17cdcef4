package replay

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"time"
)

// sweepEvery is how often finished replays are looked through for old ones.
const sweepEvery = time.Hour

// Run does the replays until ctx ends, and returns when none is under way any
// more. Those that are not finished go on when it is called again.
func (r *Replayer) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	r.sweep()
	for {
		for j, jobCtx := r.next(ctx); j != nil; j, jobCtx = r.next(ctx) {
			running.Go(func() {
				r.do(jobCtx, j)
				r.ended(j.ID)
			})
		}
		select {
		case <-r.changed:
		case <-sweep.C:
			r.sweep()
		case <-ctx.Done():
			return
		}
	}
}

// next takes the replay that has waited for longest, if there is a place for it.
func (r *Replayer) next(ctx context.Context) (*Job, context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil || len(r.cancel) >= r.options.AtOnce {
		return nil, nil
	}
	var first *Job
	for _, j := range r.jobs {
		if j.State == Queued && (first == nil || j.Created.Before(first.Created)) {
			first = j
		}
	}
	if first == nil {
		return nil, nil
	}
	jobCtx, cancel := context.WithCancel(ctx)
	r.cancel[first.ID] = cancel
	first.State = Running
	return first, jobCtx
}

// ended gives the place of a replay to the next one.
func (r *Replayer) ended(id string) {
	r.mu.Lock()
	r.cancel[id]()
	delete(r.cancel, id)
	if j := r.jobs[id]; j != nil && !j.State.Finished() {
		j.State = Queued
	}
	r.mu.Unlock()
	r.wake()
}

// sweep forgets the replays that were finished long ago.
func (r *Replayer) sweep() {
	r.mu.Lock()
	var old []string
	for id, j := range r.jobs {
		if j.State.Finished() && time.Since(j.Finished) >= r.options.Keep {
			old = append(old, id)
			delete(r.jobs, id)
		}
	}
	r.mu.Unlock()
	for _, id := range old {
		name := r.name(id)
		err := r.options.FS.Remove(name)
		if err == nil {
			err = r.options.FS.SyncDir(filepath.Dir(name))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.options.Log.Warn("the file of an old replay could not be removed", "file", name, "err", err)
		}
	}
}

// sleep waits, and reports whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
