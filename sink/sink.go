// Package sink is what the packages below it share: each of them delivers
// events to one technology, for applications and for the gateway alike. This
// one knows how an event is written for somebody else ([Encoding]), what
// identifies it there ([RowID]), and how a destination is made ready
// ([Provisioner]).
//
// # Errors
//
// Whoever calls a sink decides by the error's code ([daybook.CodeOf]) what to
// do; no caller reads texts. Every sink maps what its technology answers to:
//
//	class          codes                                   what the caller does
//	permanent      Invalid, TooLarge, Conflict             sets this event aside; sending it again cannot help
//	misconfigured  Unauthenticated, Denied, Unimplemented  keeps everything, alarms, tries again slowly: a person must act
//	throttled      Exhausted                               waits at least RetryAfter, then tries again
//	transient      Unavailable, Internal, any other        tries again with growing waits
//
// An error of a whole Write says nothing about its single events: a permanent
// one means that at least one of them is at fault. A sink that knows which
// returns a *daybook.PartialError. No error repeats an event's content, a key or
// a password: addresses are shown without user and query.
package sink

import (
	"context"

	"daybook.dev"
)

// A Provisioner is a sink that can look at its destination, and make there what
// it needs. It never does so by itself.
type Provisioner interface {
	// Missing returns what has to be made before events can be written, in
	// order, as a person would do it: DDL statements, or sentences such as
	// "create topic events". None means that all is there. The error says why
	// nobody can tell: unreachable, no right to look.
	Missing(ctx context.Context) ([]string, error)

	// Create makes what is missing. Nil means that nothing is missing any more.
	// It changes and removes nothing that exists.
	Create(ctx context.Context) error
}

// A Message is an event as brokers carry it.
type Message struct {
	Value      []byte
	Attributes map[string]string // headers, attributes; nil = none. It may be shared: nobody may change it
}

// An Encoding writes events for those who read them. Implementations are safe
// for concurrent use and keep nothing of the event.
type Encoding interface {
	// Encode returns the message of an event. It appends the value to dst, so
	// that the caller owns the memory. An error means that this event cannot
	// be written this way, and never could be: its code is Invalid.
	Encode(dst []byte, e *daybook.Event) (Message, error)
}
