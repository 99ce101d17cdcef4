// Package publish is what the sinks of message brokers have in common: the
// events of one Write in memory of their own and what became of each ([Batch]),
// and finding the message at fault where a broker refuses several at once
// ([Isolate]).
package publish

import (
	"errors"
	"sync"
	"sync/atomic"

	"daybook.dev"
	"daybook.dev/sink"
)

// A Meter counts events for [sink.Counts]. The zero value is ready.
type Meter struct{ delivered, failed, late atomic.Uint64 }

// Counts returns what was counted so far.
func (m *Meter) Counts() sink.Counts {
	return sink.Counts{Delivered: m.delivered.Load(), Failed: m.failed.Load(), Late: m.late.Load()}
}

// A Batch is the events of one Write on their way to a broker.
type Batch struct {
	// Messages are the events as the broker carries them, in memory of the
	// batch: a client library may read it after Write has returned. The zero
	// Message stands for an event that cannot be written.
	Messages []sink.Message

	meter *Meter

	mu     sync.Mutex      // guards what follows: brokers answer after Write has returned, too
	errs   []error         // of each event: errUnsettled; nil once acknowledged; or why not
	events []daybook.Event // the caller's; nil once Write has returned
}

// errUnsettled is the error of an event that nobody has decided about.
var errUnsettled = errors.New("unsettled")

// Encode returns the batch of events, and the indexes of those that can be
// written; the others are settled already. The events stay the caller's:
// nothing but Result touches them.
func Encode(events []daybook.Event, encoding sink.Encoding, m *Meter) (b *Batch, writable []int) {
	b = &Batch{Messages: make([]sink.Message, len(events)), meter: m, errs: make([]error, len(events)), events: events}
	writable = make([]int, 0, len(events))
	room := make([]byte, 0, roomFor(events))
	for i := range events {
		message, err := encoding.Encode(room, &events[i])
		if err != nil {
			b.errs[i] = err
			continue
		}
		b.errs[i] = errUnsettled
		if n := len(message.Value); n <= cap(room) {
			room = room[n:n] // the next one goes behind it
			message.Value = message.Value[:n:n]
		}
		b.Messages[i] = message
		writable = append(writable, i)
	}
	return b, writable
}

// roomFor returns how many bytes events take when they are written, more or
// less: what does not fit gets memory of its own.
func roomFor(events []daybook.Event) int {
	const frame = 256 // names of members, time, quotes
	n := 0
	for i := range events {
		e := &events[i]
		n += frame + len(e.ID) + len(e.Name) + len(e.Actor) + len(e.IdempotencyKey) + len(e.Metadata)
	}
	return n
}

// Settle notes what became of event i: nil means that the broker has it. The
// last word counts, until Write has returned.
func (b *Batch) Settle(i int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.events != nil:
		b.errs[i] = err
	case err == nil:
		b.meter.late.Add(1)
	}
}

// Result ends the batch and returns what Write has to: nil when the broker has
// every event. Events that nobody has decided about fail with cause.
func (b *Batch) Result(cause error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var failed []daybook.Outcome
	for i, err := range b.errs {
		if err != nil {
			failed = append(failed, outcome(b.events[i].ID, err, cause))
		}
	}
	b.meter.failed.Add(uint64(len(failed)))
	b.meter.delivered.Add(uint64(len(b.errs) - len(failed)))
	all := len(failed) == len(b.errs)
	b.events = nil
	switch {
	case failed == nil:
		return nil
	case all && oneReason(failed):
		return failed[0].Err
	default:
		return &daybook.PartialError{Failed: failed}
	}
}

func outcome(id string, err, cause error) daybook.Outcome {
	o := daybook.Outcome{ID: id, Status: daybook.Failed, Err: err}
	switch {
	case err == errUnsettled: //nolint:errorlint // it is never wrapped
		o.Status, o.Err = daybook.Unknown, cause
	case Permanent(err):
		o.Status = daybook.Refused
	}
	if e, ok := o.Err.(*daybook.Error); ok { //nolint:errorlint // an outcome's reason is its error's own
		o.Reason = e.Reason
	}
	return o
}

// oneReason reports whether one error can stand for all that failed: there is
// one, or all have a code that is not about the single event.
func oneReason(failed []daybook.Outcome) bool {
	if len(failed) == 1 {
		return true
	}
	code := daybook.CodeOf(failed[0].Err)
	for _, o := range failed {
		if daybook.CodeOf(o.Err) != code || Permanent(o.Err) {
			return false
		}
	}
	return true
}

// Permanent reports whether err says that an event will never be taken.
func Permanent(err error) bool {
	switch daybook.CodeOf(err) {
	case daybook.Invalid, daybook.TooLarge, daybook.Conflict:
		return true
	default:
		return false
	}
}

// Isolate finds out which of the events that were refused together are at
// fault. It sends halves of them, and of what is refused again, until each was
// taken or was refused alone. Send settles the events of a group as far as
// their fate is known and returns those that were refused with others; of a
// group of one it returns none. With k events of n at fault it is called about
// 2k·log₂n times.
func Isolate[T any](suspects []T, send func(group []T) (suspects []T)) {
	middle := (len(suspects) + 1) / 2
	for _, half := range [][]T{suspects[:middle], suspects[middle:]} {
		if len(half) > 0 {
			Isolate(send(half), send)
		}
	}
}
