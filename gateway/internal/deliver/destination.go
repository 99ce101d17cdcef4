package deliver

import (
	"fmt"
	"regexp"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// A Destination is where events go, and how. Name and Sink are required; the
// zero value of every other field works.
type Destination struct {
	// Name is the destination's own, for as long as its cursor is to be found
	// again: a letter or digit, then letters, digits, "-", "_" and ".", at most
	// 64.
	Name string

	// Sink takes the events. It must return from Write when its context ends.
	// Whoever opened it closes it, after the engine.
	Sink daybook.Sink

	// Wants reports whether the destination is to get the event of a record.
	// Nil means every event. It is called while others wait: it must not block.
	Wants func(*store.Record) bool

	// Shape makes of an event what leaves the gateway, in a copy whose Metadata
	// it may replace but not change. An error sets the event aside as if the
	// destination had refused it for good. Nil means that events leave as they
	// are.
	Shape func(*daybook.Event) error

	Batch Batch

	// Concurrency is how many writes may be under way at once. Zero means 4:
	// the destination's slowest answer is then not the limit of what can be
	// delivered. Events of different writes may arrive in any order; one keeps
	// the order of the store, as long as nothing has to be tried again.
	Concurrency int

	// Order says which events may not overtake each other.
	Order Order

	// From is where a destination without a cursor begins.
	From From

	// Timeout is how long one write may take. Zero means 30s.
	Timeout time.Duration

	// MaxDeadBytes is how many bytes of dead letters of one caller are kept
	// with their content; beyond it a dead letter has only the event's id and
	// name, and the event itself is found for as long as it is kept. Zero means
	// 64 MiB.
	MaxDeadBytes int64
}

// A Batch says when events that wait are written: as soon as one of the limits
// is reached.
type Batch struct {
	Events int           // in one write. Zero means 500
	Bytes  int           // in one write, give or take an event. Zero means 1 MiB
	Age    time.Duration // how long the first may wait for others. Zero means 1s
}

// Order says which events may not overtake each other.
type Order string

// The orders.
const (
	Unordered Order = ""      // any may
	ByActor   Order = "actor" // the events of one actor are never in two writes at once, nor does a later one go before an earlier
)

// From is where a destination without a cursor begins. The zero value is the
// oldest event kept.
type From struct {
	Now   bool      // with what is stored from now on
	Since time.Time // with the first event received at or after it; zero = not
}

var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// withDefaults returns d complete, or what is wrong with it.
func (d Destination) withDefaults() (Destination, error) {
	switch {
	case !names.MatchString(d.Name):
		return d, fmt.Errorf("deliver: %q is no name for a destination: a letter or digit, then at most 63 letters, digits, '-', '_' and '.'", d.Name)
	case d.Sink == nil:
		return d, fmt.Errorf("deliver: %s: it has no sink", d.Name)
	case d.Order != Unordered && d.Order != ByActor:
		return d, fmt.Errorf("deliver: %s: %q is no order: leave it empty or say %q", d.Name, d.Order, ByActor)
	}
	d.Batch.Events = orDefault(d.Batch.Events, 500)
	d.Batch.Bytes = orDefault(d.Batch.Bytes, 1<<20)
	d.Batch.Age = orDefault(d.Batch.Age, time.Second)
	d.Concurrency = orDefault(d.Concurrency, 4)
	d.Timeout = orDefault(d.Timeout, 30*time.Second)
	d.MaxDeadBytes = orDefault(d.MaxDeadBytes, 64<<20)
	if d.Wants == nil {
		d.Wants = func(*store.Record) bool { return true }
	}
	return d, nil
}

func orDefault[T int | int64 | time.Duration](value, otherwise T) T {
	if value <= 0 {
		return otherwise
	}
	return value
}

// mostEvents is how many events a lane holds in memory, give or take one read:
// what can be under way, and the next batches, so that they are ready when a
// write ends.
func (d Destination) mostEvents() int { return (d.Concurrency + 2) * d.Batch.Events }

// mostBytes is mostEvents in bytes.
func (d Destination) mostBytes() int { return (d.Concurrency + 2) * d.Batch.Bytes }
