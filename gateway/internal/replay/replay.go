// Package replay hands events of the past to a destination again: those of a
// time, and of them those that an expression means. A replay has a cursor of its
// own, kept in a file, and goes on where it was after a restart.
//
// It delivers at least once: after a crash it repeats what was delivered since
// its file was last written, a second at most, under the same event ids. It
// writes nothing into the store. What a destination refuses for good is counted
// and listed with the replay; it is no dead letter, because the event is one
// already or has been delivered before, and because whoever asked for the
// replay is there to see it. For the same reason a replay closes no dead letter.
package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// Options is what Open needs. Those without a default are required.
type Options struct {
	Data   string // the data directory
	Source store.Holder

	// Write hands events to a destination. It must return when its context
	// ends.
	Write attempt.Write

	// Destinations are the names that replays may go to.
	Destinations []string

	// Wants reports whether a destination is to get an event: what its
	// configuration and the event's caller say holds for replays, too. Nil
	// means every event.
	Wants func(destination string, r *store.Record) bool

	// Compile makes a function of an expression. Its error is shown to
	// whoever wrote the expression. Nil means that there are no expressions.
	Compile func(expression string) (func(*store.Record) bool, error)

	// AtOnce is how many replays run at the same time; the others wait. Zero
	// means 2.
	AtOnce int

	// Keep is how long finished replays are listed. Zero means 7 days.
	Keep time.Duration

	// Within bounds each call of Write. Zero means 30s.
	Within time.Duration

	Log    *slog.Logger   // nil means nobody is told
	FS     wal.FS         // nil means the operating system's
	Jitter func() float64 // from 0 to 1, for waits; nil means chance
}

func (o Options) withDefaults() Options {
	if o.Wants == nil {
		o.Wants = func(string, *store.Record) bool { return true }
	}
	if o.Compile == nil {
		o.Compile = func(string) (func(*store.Record) bool, error) {
			return nil, errors.New("there are no expressions here")
		}
	}
	if o.AtOnce == 0 {
		o.AtOnce = 2
	}
	if o.Keep == 0 {
		o.Keep = 7 * 24 * time.Hour
	}
	if o.Within == 0 {
		o.Within = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = wal.OS{}
	}
	if o.Jitter == nil {
		o.Jitter = mathrand.Float64
	}
	return o
}

// A Replayer has the replays of a data directory. It is safe for concurrent use.
type Replayer struct {
	options Options
	changed chan struct{} // has a value when there may be something to start

	saving sync.Mutex // one file is written at a time

	mu     sync.Mutex
	jobs   map[string]*Job               // guarded by mu, like everything below
	cancel map[string]context.CancelFunc // of those that run
}

// Open reads the replays there are and holds the records that the unfinished
// ones need. Call Run then, and wait for it before the store is closed.
//
// A file that cannot be read is logged and left where it is; the error is about
// the directory.
func Open(o Options) (*Replayer, error) {
	o = o.withDefaults()
	r := &Replayer{options: o, changed: make(chan struct{}, 1), jobs: map[string]*Job{}, cancel: map[string]context.CancelFunc{}}
	err := o.FS.Mkdir(directory(o.Data))
	if err == nil {
		err = o.FS.SyncDir(o.Data) // or a crash keeps the files and loses where they are
	}
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	jobs, err := readAll(o.FS, o.Data, func(file string, err error) {
		o.Log.Error("a replay is left out, because its file cannot be read", "file", file, "err", err)
	})
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	for _, j := range jobs {
		if !j.State.Finished() {
			r.resume(j)
			o.Source.Hold(follower(j.ID), j.Position)
		}
		r.jobs[j.ID] = j
	}
	return r, nil
}

// resume makes an unfinished replay wait for its turn: or for a start with its
// destination, where that is not there any more.
func (r *Replayer) resume(j *Job) {
	j.State, j.Problem = Queued, nil
	if slices.Contains(r.options.Destinations, j.To) {
		return
	}
	j.State, j.Problem = Paused, &Problem{
		Since: time.Now().UTC(), Code: daybook.Unimplemented.String(), Reason: "unknown_destination",
		Message: fmt.Sprintf("there is no destination %q any more: configure it again, or cancel the replay", j.To),
	}
	r.options.Log.Warn("a replay is paused: its destination is not configured any more", "replay", j.ID, "to", j.To)
}

// List returns every replay, the newest first.
func (r *Replayer) List() []Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Job, 0, len(r.jobs))
	for _, j := range r.jobs {
		all = append(all, j.clone())
	}
	slices.SortFunc(all, func(a, b Job) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID)) })
	return all
}

// Job returns the replay of that id.
func (r *Replayer) Job(id string) (Job, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j, ok := r.jobs[id]
	if !ok {
		return Job{}, false
	}
	return j.clone(), true
}

// Cancel ends the replay of that id, if it is not finished; what was delivered
// stays delivered. It returns the replay as it is then; false means that there
// is none. The error says that the end could not be written: after a restart
// the replay would go on.
func (r *Replayer) Cancel(id string) (Job, bool, error) {
	r.mu.Lock()
	j, ok := r.jobs[id]
	if !ok {
		r.mu.Unlock()
		return Job{}, false, nil
	}
	stop := r.cancel[id]
	if !j.State.Finished() {
		r.end(j, Canceled, nil)
	}
	r.mu.Unlock()
	if stop != nil {
		stop()
	}
	err := r.save(j)
	return r.snapshot(j), true, err
}

// end notes how a replay ended. It needs its records no longer. The caller holds
// mu, and so does whoever calls Hold: nothing is held for it after this.
func (r *Replayer) end(j *Job, s State, why *Problem) {
	j.State, j.Finished, j.Problem = s, time.Now().UTC(), why
	r.options.Source.Release(follower(j.ID))
}

func (r *Replayer) snapshot(j *Job) Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return j.clone()
}

// wake makes Run look for something to start.
func (r *Replayer) wake() {
	select {
	case r.changed <- struct{}{}:
	default: // it will look anyway
	}
}
