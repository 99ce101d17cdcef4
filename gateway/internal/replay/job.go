package replay

import (
	"slices"
	"time"

	"daybook.dev/gateway/internal/store"
)

// A Spec is what somebody asks for.
type Spec struct {
	// To is the destination.
	To string `json:"to"`

	// From is where to begin: "start" for the oldest event kept, or a time such
	// as 2026-01-31T12:00:00Z, for the first event received at or after it.
	From string `json:"from"`

	// Until is where to end: "now", which empty means, for the newest event, or
	// a time, for the last event received before it.
	Until string `json:"until,omitzero"`

	// Where is an expression that events have to match. Empty means that every
	// event does.
	Where string `json:"where,omitzero"`

	// Rate is how many events a second, at most. Zero means no limit.
	Rate float64 `json:"rate,omitzero"`

	// DryRun counts, and delivers nothing.
	DryRun bool `json:"dry_run,omitzero"`
}

// State is how far a replay is.
type State string

// The states. The first three are unfinished: such a replay goes on after a
// restart.
const (
	Queued   State = "queued"   // waits for its turn
	Running  State = "running"  // reads and delivers, or waits for a destination that fails for now
	Paused   State = "paused"   // the destination is misconfigured; it looks again now and then
	Done     State = "done"     // everything was read
	Canceled State = "canceled" // by an operator
	Broken   State = "broken"   // it cannot go on: Problem says why
)

// Finished reports whether it will not go on.
func (s State) Finished() bool { return s == Done || s == Canceled || s == Broken }

// A Job is a replay and how far it is. It is a copy; nothing in it changes.
type Job struct {
	ID string `json:"id"`
	Spec

	State    State     `json:"state"`
	Created  time.Time `json:"created"`
	Finished time.Time `json:"finished,omitzero"`

	// The records behind After, up to and including End, are what it is about;
	// those up to Position are done.
	After    store.Position `json:"after"`
	End      store.Position `json:"end"`
	Position store.Position `json:"position"`

	Counts

	// Failures are the first events that the destination refused for good, at
	// most 100 of them.
	Failures []Failure `json:"failures,omitzero"`

	// Problem is why it waits, is paused or is broken; nil = no reason.
	Problem *Problem `json:"problem,omitzero"`
}

// Counts say what became of the records up to a position:
// Read = Matched + those that Where leaves out; Matched = Delivered + Failed +
// Skipped, where nothing is delivered by a dry run.
type Counts struct {
	Read      uint64 `json:"read"`      // events
	Matched   uint64 `json:"matched"`   // of them, those that Where means
	Delivered uint64 `json:"delivered"` // the destination has them
	Failed    uint64 `json:"failed"`    // it refused them for good
	Skipped   uint64 `json:"skipped"`   // the destination is not to get them, whoever asks
	Missed    uint64 `json:"missed"`    // records, not only events, that were not there when it was their turn
}

func (c *Counts) add(o Counts) {
	c.Read += o.Read
	c.Matched += o.Matched
	c.Delivered += o.Delivered
	c.Failed += o.Failed
	c.Skipped += o.Skipped
	c.Missed += o.Missed
}

// A Failure is an event that the destination refused for good.
type Failure struct {
	Position store.Position `json:"position"`
	EventID  string         `json:"event_id"`
	Code     string         `json:"code"`
	Reason   string         `json:"reason"`
	Message  string         `json:"message,omitzero"`
}

// A Problem is why a replay does not get on.
type Problem struct {
	Since   time.Time `json:"since"`
	Code    string    `json:"code"`
	Reason  string    `json:"reason"`
	Message string    `json:"message,omitzero"`
}

// Percent is how much of it is done, by position.
func (j *Job) Percent() float64 {
	if j.End <= j.After {
		return 100
	}
	return 100 * float64(j.Position-j.After) / float64(j.End-j.After)
}

// clone returns a copy that shares nothing which changes.
func (j *Job) clone() Job {
	c := *j
	c.Failures = slices.Clone(j.Failures)
	if j.Problem != nil {
		p := *j.Problem
		c.Problem = &p
	}
	return c
}
