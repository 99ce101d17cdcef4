// Package admit decides about events before they are stored: each one is
// refused, with the field and the reason, or completed. One file per step; no
// step does I/O.
package admit

import (
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// A Submission is one event as an intake decoded it, or the reason why it
// could not be decoded.
type Submission struct {
	Event daybook.Event

	// Publisher is whom the caller vouches for: the event's id is unique within
	// caller and publisher, so that the publishers behind one caller cannot take
	// each other's ids. Empty where the caller speaks for itself.
	Publisher string

	// TimeGiven says that the caller set Event.Time, so that the first instant
	// of the year 1, Go's zero time, is kept when it was meant. A time that was
	// not given is one a gateway filled in before: it is kept, and no part of
	// the event's digest.
	TimeGiven bool

	// StoreOnly is the caller's wish that the event is not forwarded.
	StoreOnly bool

	// Truncated says that the intake has replaced metadata that was too large by
	// a note, for metrics.
	Truncated bool

	// Envelope is written into the metadata of the stored event. Nil means
	// that the protocol has none.
	Envelope *Envelope

	// Err refuses the event; Event then holds what is known of it.
	Err *daybook.Error

	// Quarantine says that an event with Err is kept with the reason, as a dead
	// letter of the gateway itself: for protocols that tell a sender yes about an
	// event that can never become valid, because it would send it forever.
	// Metadata that is no JSON object is not kept.
	Quarantine bool
}

// An Admitter knows what every event needs. The zero value is usable; set the
// fields before the first use.
type Admitter struct {
	Limits Limits
	Now    func() time.Time // nil = time.Now
	NewID  func() string    // nil = random UUIDs (version 4)
}

// Admit validates and completes one event. The record has everything that
// follows from the event itself; who sent it is the caller's to add. A non-nil
// error refuses the event.
func (a *Admitter) Admit(s Submission) (store.Record, *daybook.Error) {
	if s.Err != nil {
		return store.Record{}, s.Err
	}
	if err := a.Limits.validate(&s.Event); err != nil {
		return store.Record{}, err
	}
	digest := digestOf(&s)
	received := a.now()
	a.complete(&s, received)
	return store.Record{Kind: store.KindEvent, Event: s.Event, Digest: digest, Received: received, StoreOnly: s.StoreOnly}, nil
}

func (a *Admitter) now() time.Time {
	if a.Now != nil {
		return a.Now().UTC()
	}
	return time.Now().UTC()
}
