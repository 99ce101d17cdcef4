// Package admit decides about events before they are stored: each one is
// refused, with the field and the reason, or completed. One file per step; no
// step does I/O.
package admit

import (
	"sync/atomic"
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

	// MaxBytes is how many bytes this event may have, where its protocol's events
	// may have more than others. Zero means the Admitter's limit.
	MaxBytes int

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

// An Origin is where an event comes from.
type Origin struct {
	Caller   string // who sends it
	Protocol string // the intake it comes through
	Instance string // this gateway

	// MaySend returns why the caller may not send events of that name. Nil means
	// that it may send any.
	MaySend func(name string) *daybook.Error
}

// An Admitter knows what every event needs. The zero value is usable; set the
// fields before the first use.
type Admitter struct {
	Limits Limits
	Now    func() time.Time // nil = time.Now
	NewID  func() string    // nil = random UUIDs (version 4)

	// Rules are what the configuration decides. Others may take their place at
	// any time; none decide nothing.
	Rules atomic.Pointer[Rules]
}

// A Verdict is what is decided about an event before the store is asked. The zero
// value means that it is to be stored.
type Verdict struct {
	Refusal *daybook.Error // why it is refused; nil = it is not
	Dropped string         // the reason why it is dropped on purpose; "" = it is not
	Rule    string         // the rule that decided; "" = none did
}

// Admit validates, completes and redacts one event and asks the rules about it.
// It writes what is to be stored into r, which is zero before: the event, or one
// that is refused and kept all the same. Where nothing is to be stored r.Kind is
// zero, and r.Event.ID the event's id as far as it has one.
func (a *Admitter) Admit(s Submission, from Origin, r *store.Record) Verdict {
	rules := a.Rules.Load()
	err := s.Err
	if err == nil {
		err = a.Limits.of(&s).validate(&s.Event)
	}
	if err == nil && from.MaySend != nil {
		err = from.MaySend(s.Event.Name)
	}
	if err != nil {
		r.Event.ID = s.Event.ID
		if s.Quarantine {
			from.note(r, &s)
			a.setAside(&s, r, err)
			rules.redact(&r.Event)
		}
		return Verdict{Refusal: err}
	}
	from.note(r, &s)
	r.Kind, r.Digest, r.Received = store.KindEvent, digestOf(&s), a.now()
	a.complete(&s, r.Received)
	r.Event = s.Event
	rules.redact(&r.Event)
	return rules.Decide(r).apply(r)
}

// apply makes of r what is decided about it.
func (d Decision) apply(r *store.Record) Verdict {
	switch {
	case d.Quarantine:
		r.Kind, r.Refusal = store.KindRefused, refusalOf(d.Refusal)
	case d.Reason != "":
		r.Kind = 0
	}
	if d.Refusal != nil {
		return Verdict{Refusal: d.Refusal, Rule: d.Rule}
	}
	return Verdict{Dropped: d.Reason, Rule: d.Rule}
}

// note writes into r where the event of s comes from.
func (o *Origin) note(r *store.Record, s *Submission) {
	r.Caller, r.Protocol, r.Instance, r.StoreOnly = o.Caller, o.Protocol, o.Instance, s.StoreOnly
	if s.Publisher != "" { // nobody gets into another caller's scope
		r.Scope = o.Caller + "/" + s.Publisher
	}
}

func (a *Admitter) now() time.Time {
	if a.Now != nil {
		return a.Now().UTC()
	}
	return time.Now().UTC()
}
