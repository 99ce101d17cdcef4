package admit

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// The reasons of rules.
const (
	ReasonDropped     = "dropped_by_rule"
	ReasonSampledOut  = "sampled_out"
	ReasonKilled      = "killed"
	ReasonRefused     = "refused_by_rule"
	ReasonQuarantined = "quarantined_by_rule"
	ReasonMismatch    = "schema_mismatch"
)

// Rules are what the configuration decides about events that are acceptable. They
// are never changed once they are in use: others take their place. Nil decides
// nothing.
type Rules struct {
	Redactor *Redactor
	Kill     Kill
	List     []Rule // the first that matches decides, and no other

	// First returns the index of the first rule that matches the event of a
	// record, or -1 where none does. Nil means that none ever does.
	First func(*store.Record) int
}

// A Kill switches off what sends too much, or what it should not.
type Kill struct {
	Events  map[string]bool // names of events that are dropped
	Callers map[string]bool // callers whose events are dropped
}

// A Rule decides about the events that it matches. Of Drop, Refuse, Schema and
// Sample the first that is set decides, but for an event that fits its schema:
// that one is sampled. A rule with none of them keeps the event.
type Rule struct {
	Name string

	Drop bool

	// Refuse is the sentence that callers are told. Empty means not.
	Refuse string

	// Schema returns what is wrong with an event's metadata, as a field and a
	// sentence; nil for nothing. It gets what is the caller's own, and nil where
	// there is none. No Schema means that any metadata will do.
	Schema func(metadata []byte) *daybook.Error

	// Quarantine says that what the rule refuses is kept with the reason.
	Quarantine bool

	// Sample is the share of the events that is kept. Zero means all. What
	// decides is a hash of By, so that whoever sends an event again draws the
	// same lot.
	Sample float64
	By     Lot

	// Decided is told what became of each event that the rule matched: "" means
	// that it is kept, else the reason. Nil means nobody is.
	Decided func(reason string)
}

// A Lot is what decides about sampling.
type Lot int

// The lots.
const (
	ByEvent Lot = iota // the event's id
	ByActor            // its actor, so that what one actor does is kept or dropped as a whole; the id where it has none
)

// A Decision is what the rules say about one event. The zero value keeps it.
type Decision struct {
	Rule       string         // that decided; "" = none did
	Reason     string         // why it is dropped or refused; "" = it is kept
	Refusal    *daybook.Error // nil = it is not refused
	Quarantine bool           // it is refused, and kept with the reason
}

// KillRule is the name of the kill switch where names of rules stand.
const KillRule = "kill"

// redact redacts an event.
func (r *Rules) redact(e *daybook.Event) {
	if r != nil {
		r.Redactor.Redact(e)
	}
}

// Decide says what becomes of an event, which is complete and redacted. Of an
// event that is kept by a sample it changes the rate.
func (r *Rules) Decide(record *store.Record) Decision {
	if r == nil {
		return Decision{}
	}
	if r.Kill.Events[record.Event.Name] || r.Kill.Callers[record.Caller] {
		return Decision{Rule: KillRule, Reason: ReasonKilled}
	}
	if r.First == nil {
		return Decision{}
	}
	first := r.First(record)
	if first < 0 {
		return Decision{}
	}
	rule := &r.List[first]
	decision := rule.decide(record)
	if rule.Decided != nil {
		rule.Decided(decision.Reason)
	}
	return decision
}

func (r *Rule) decide(record *store.Record) Decision {
	switch {
	case r.Drop:
		return Decision{Rule: r.Name, Reason: ReasonDropped}
	case r.Refuse != "":
		reason := ReasonRefused
		if r.Quarantine {
			reason = ReasonQuarantined
		}
		return r.refuse(&daybook.Error{Code: daybook.Invalid, Reason: reason, Message: r.Refuse})
	}
	if r.Schema != nil {
		if err := r.Schema(noEnvelope.whole(record.Event.Metadata)); err != nil {
			err.Code, err.Reason = daybook.Invalid, ReasonMismatch
			return r.refuse(err)
		}
	}
	if r.Sample == 0 {
		return Decision{Rule: r.Name}
	}
	if !r.draw(&record.Event) {
		return Decision{Rule: r.Name, Reason: ReasonSampledOut}
	}
	record.Event.SampleRate = multiplied(record.Event.SampleRate, r.Sample)
	return Decision{Rule: r.Name}
}

func (r *Rule) refuse(err *daybook.Error) Decision {
	return Decision{Rule: r.Name, Reason: err.Reason, Refusal: err, Quarantine: r.Quarantine}
}

// noEnvelope leaves of metadata what is the caller's own.
var noEnvelope = &redacted{members: map[string]*redacted{EnvelopeKey: {way: &way{with: Remove}}}}

// draw reports whether the event is in the sample: the first 8 bytes of the
// SHA-256 of "rule:NAME:LOT", big endian, over 2^64, are below the rate. The name
// makes the lots of two rules independent, and those of clients, which draw
// without it.
func (r *Rule) draw(e *daybook.Event) bool {
	lot := e.ID
	if r.By == ByActor && e.Actor != "" {
		lot = e.Actor
	}
	var space [512]byte
	b := append(space[:0], "rule:"...)
	b = append(b, r.Name...)
	b = append(b, ':')
	b = append(b, lot...)
	sum := sha256.Sum256(b)
	return math.Ldexp(float64(binary.BigEndian.Uint64(sum[:8])), -64) < r.Sample
}

// multiplied is the share that is left of an event's kind when a part of those
// that an earlier sampling left is kept.
func multiplied(before, rate float64) float64 {
	if before > 0 && before < 1 { // what else a client says means that nothing was sampled
		rate *= before
	}
	return rate
}
