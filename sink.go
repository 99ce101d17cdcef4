package daybook

import "context"

// A Sink is somewhere events go. Implementations are safe for concurrent use.
type Sink interface {
	// Write delivers events in order. Nil means that the sink has taken
	// responsibility for all of them, to the durability it documents; a
	// *PartialError names those it has not taken and why; any other error
	// means that it has taken none, or cannot say. Write must not keep the
	// events or their Metadata after it returns.
	Write(ctx context.Context, events []Event) error

	// Close flushes until ctx ends, then releases what the sink holds. It is
	// idempotent; writes after it fail with ErrClosed.
	Close(ctx context.Context) error
}

// A Sender is a Sink that can say what became of each event.
type Sender interface {
	Sink

	// Send delivers events in one attempt. Nil means that every event is safe
	// where it was sent (stored, a duplicate, or dropped by a rule there). The
	// outcomes are in the order of the events and complete whenever the other
	// side answered, error or not; they are nil when it did not, and then it
	// is unknown what was stored: send again with the same IDs.
	Send(ctx context.Context, events []Event) ([]Outcome, error)
}

// Discard is the Sink that takes every event and forgets it. It is the way to
// say "nowhere" on purpose.
var Discard Sink = discard{}

type discard struct{}

func (discard) Write(context.Context, []Event) error { return nil }
func (discard) Close(context.Context) error          { return nil }
