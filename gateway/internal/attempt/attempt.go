// Package attempt makes one attempt to hand events to a destination, and says
// what became of each: for those who do it because a person asked (a retry of
// dead letters, a replay).
package attempt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"daybook.dev"
)

// A Write hands events to the destination of that name. It is [daybook.Sink]'s
// Write: what its error says about the events is said there.
type Write func(ctx context.Context, destination string, events []daybook.Event) error

// ErrNotTried is what became of an event that nobody tried, because the
// destination failed before its turn.
var ErrNotTried error = &daybook.Error{
	Code: daybook.Unavailable, Reason: "not_tried", Message: "not tried, because the destination failed before",
}

// Class is what an error of a destination means to whoever hands it events. The
// table in daybook.dev/sink is what every destination keeps to.
type Class uint8

// The classes.
const (
	Taken         Class = iota // no error: the destination has the event
	Permanent                  // trying this event again cannot help
	Misconfigured              // no event can get through until a person acts
	Throttled                  // wait at least RetryAfter
	Transient                  // try again
)

// ClassOf returns the class of err.
func ClassOf(err error) Class {
	switch daybook.CodeOf(err) {
	case daybook.OK:
		return Taken
	case daybook.Invalid, daybook.TooLarge, daybook.Conflict:
		return Permanent
	case daybook.Unauthenticated, daybook.Denied, daybook.Unimplemented:
		return Misconfigured
	case daybook.Exhausted:
		return Throttled
	default:
		return Transient
	}
}

// String returns the word for logs.
func (c Class) String() string {
	switch c {
	case Taken:
		return "taken"
	case Permanent:
		return "permanent"
	case Misconfigured:
		return "misconfigured"
	case Throttled:
		return "throttled"
	default:
		return "transient"
	}
}

// Of hands events to a destination and returns what became of each, in order:
// nil means that the destination has it. An event that the destination refuses
// without naming it is found by halving. Within bounds every single call of
// write. After a failure that is about the destination and not about an event,
// no further call is made, and the rest were not tried.
func Of(ctx context.Context, write Write, destination string, events []daybook.Event, within time.Duration) []error {
	a := try{write: write, destination: destination, within: within, events: events, results: make([]error, len(events))}
	for from := 0; from < len(events); {
		to := a.distinct(from)
		a.part(ctx, from, to)
		from = to
	}
	return a.results
}

// A try is one attempt under way.
type try struct {
	write       Write
	destination string
	within      time.Duration

	events  []daybook.Event
	results []error // by event
	failed  bool    // the destination, not an event
}

// distinct returns where the longest run from there ends in which no two events
// have one id. A destination names events by their ids, which are unique only
// within a caller.
func (t *try) distinct(from int) (to int) {
	seen := make(map[string]bool, len(t.events)-from)
	for to = from; to < len(t.events) && !seen[t.events[to].ID]; to++ {
		seen[t.events[to].ID] = true
	}
	return to
}

// part tries the events from one index up to another, and where the destination
// says that some of them is at fault, each half of them.
func (t *try) part(ctx context.Context, from, to int) {
	if t.failed || ctx.Err() != nil {
		t.note(from, to, ErrNotTried)
		return
	}
	err := t.call(ctx, t.events[from:to])
	if partial, ok := errors.AsType[*daybook.PartialError](err); ok {
		t.notePartial(from, to, partial)
		return
	}
	class := ClassOf(err)
	if class == Permanent && to-from > 1 {
		middle := from + (to-from)/2
		t.part(ctx, from, middle)
		t.part(ctx, middle, to)
		return
	}
	t.failed = class != Taken && class != Permanent
	t.note(from, to, err)
}

func (t *try) note(from, to int, err error) {
	for i := from; i < to; i++ {
		t.results[i] = err
	}
}

// notePartial notes what the destination said about each event it names. One
// that names an event it was not given cannot be relied on: then all failed.
func (t *try) notePartial(from, to int, partial *daybook.PartialError) {
	said := make(map[string]error, len(partial.Failed))
	for _, o := range partial.Failed {
		said[o.ID] = why(o)
	}
	named := 0
	for i := from; i < to; i++ {
		err, failed := said[t.events[i].ID]
		if t.results[i] = err; failed {
			named++
		}
	}
	if named < len(said) || named == 0 {
		t.note(from, to, &daybook.Error{Code: daybook.Internal, Reason: "not_given", Message: "the destination names no event that has failed, or one that it was not given"})
	}
}

// why returns the error of an event that was not taken. Where the destination
// gives none, it has at least said whether it is the event's fault.
func why(o daybook.Outcome) error {
	switch {
	case o.Err != nil:
		return o.Err
	case o.Status == daybook.Refused:
		return &daybook.Error{Code: daybook.Invalid, Reason: o.Reason, Message: "the destination refuses the event and does not say why"}
	}
	return &daybook.Error{Code: daybook.Unavailable, Reason: o.Reason, Message: "the destination has not taken the event and does not say why"}
}

// call is one call of write. A panic in a destination's code is that
// destination's failure, not the gateway's.
func (t *try) call(ctx context.Context, events []daybook.Event) (err error) {
	ctx, cancel := context.WithTimeout(ctx, t.within)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = &daybook.Error{Code: daybook.Internal, Where: t.destination, Reason: "panicked", Message: "the destination's code panicked", Err: fmt.Errorf("%v", p)}
		}
	}()
	return t.write(ctx, t.destination, events)
}
