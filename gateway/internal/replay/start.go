package replay

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// maxUnfinished is how many replays may wait or run.
const maxUnfinished = 100

// Start takes in a replay, which begins as soon as there is a place for it. Nil
// means that it is kept and will be done, also after a crash.
func (r *Replayer) Start(ctx context.Context, s Spec) (Job, error) {
	j := &Job{ID: newID(), Spec: s, State: Queued, Created: time.Now().UTC()}
	if err := r.check(&j.Spec); err != nil {
		return Job{}, err
	}
	if err := r.place(ctx, j); err != nil {
		return Job{}, err
	}
	if r.unfinished() >= maxUnfinished {
		return Job{}, &daybook.Error{
			Code: daybook.Exhausted, Where: "replay", Reason: "too_many_replays",
			Message: fmt.Sprintf("%d replays wait or run already: cancel some, or wait", maxUnfinished),
		}
	}
	r.options.Source.Hold(follower(j.ID), j.After)
	if err := r.save(j); err != nil {
		r.options.Source.Release(follower(j.ID))
		return Job{}, &daybook.Error{Code: daybook.Unavailable, Where: "replay", Reason: "store_failed", Message: "the replay could not be written to the disk", Err: err}
	}
	r.mu.Lock()
	r.jobs[j.ID] = j
	r.mu.Unlock()
	r.wake()
	return r.snapshot(j), nil
}

// newID returns a name that sorts by when it was made.
func newID() string {
	var chance [4]byte
	_, _ = rand.Read(chance[:]) // never fails
	return time.Now().UTC().Format("20060102T150405") + "-" + hex.EncodeToString(chance[:])
}

// check refuses what cannot be replayed.
func (r *Replayer) check(s *Spec) error {
	switch {
	case s.To == "":
		return invalid("to", "to is missing: name a destination")
	case !slices.Contains(r.options.Destinations, s.To):
		return invalid("to", fmt.Sprintf("there is no destination %q", s.To))
	case s.From == "":
		return invalid("from", "from is missing: say start, or a time such as 2026-01-31T12:00:00Z")
	case !(s.Rate >= 0 && s.Rate <= 1e9):
		return invalid("rate", "rate is not a number of events per second")
	}
	if _, err := r.compile(s.Where); err != nil {
		return invalid("where", "where: "+err.Error())
	}
	return nil
}

func (r *Replayer) compile(where string) (func(*store.Record) bool, error) {
	if where == "" {
		return func(*store.Record) bool { return true }, nil
	}
	return r.options.Compile(where)
}

// place finds the positions that a replay is about.
func (r *Replayer) place(ctx context.Context, j *Job) error {
	oldest, newest := r.options.Source.Bounds()
	if oldest > 0 {
		j.After = oldest - 1
	}
	j.End = newest
	if j.From != "start" {
		at, err := r.seek(ctx, "from", j.From)
		if err != nil {
			return err
		}
		j.After = at
	}
	if j.Until != "" && j.Until != "now" {
		at, err := r.seek(ctx, "until", j.Until)
		if err != nil {
			return err
		}
		j.End = at
	}
	j.End = max(j.End, j.After)
	j.Position = j.After
	return nil
}

func (r *Replayer) seek(ctx context.Context, field, text string) (store.Position, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		word := map[string]string{"from": "start", "until": "now"}[field]
		return 0, invalid(field, fmt.Sprintf("%s: %q is neither %s nor a time such as 2026-01-31T12:00:00Z", field, text, word))
	}
	return r.options.Source.Seek(ctx, t)
}

func invalid(field, message string) error {
	return &daybook.Error{Code: daybook.Invalid, Where: "replay", Field: field, Reason: "invalid_replay", Message: message}
}

func (r *Replayer) unfinished() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range r.jobs {
		if !j.State.Finished() {
			n++
		}
	}
	return n
}
