package query

import (
	"encoding/json"
	"fmt"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// A Step is one thing that happened to an event.
type Step struct {
	At          time.Time // zero = not known
	Step        string
	Destination string // "" = the gateway itself
	Attempt     uint32 // how many were made; 0 = none, or not known
	Outcome     string
	Reason      string // stable word; "" = none
	Detail      string // for people; "" = nothing to add
	Caller      string // whose event it is
}

// The steps.
const (
	StepReceived = "received" // by an intake
	StepRefused  = "refused"  // by the gateway
	StepStored   = "stored"
	StepWaited   = "waited"   // a destination was tried while the caller waited
	StepDelivery = "delivery" // a destination follows the store
)

// The outcomes of waiting and of deliveries.
const (
	OutcomeQueued    = "queued"    // not tried yet
	OutcomeSending   = "sending"   // being tried, or to be tried again
	OutcomeDelivered = "delivered" // the destination has it
	OutcomeDead      = "dead"      // a dead letter: not tried any more by itself
	OutcomeFiltered  = "filtered"  // not for this destination
	OutcomeEvicted   = "evicted"   // removed before it was delivered
	OutcomeFailed    = "failed"    // not delivered while the caller waited
	OutcomeUnknown   = "unknown"   // nobody can tell
)

// received is the first step of every event.
func received(at time.Time, r *store.Record) Step {
	return Step{At: at, Step: StepReceived, Outcome: "accepted", Detail: fmt.Sprintf("over %s, by %s", r.Protocol, r.Instance)}
}

// settled is what a destination said while the caller waited.
func settled(e *store.Entry) Step {
	s := Step{At: e.Received, Step: StepWaited, Destination: e.Settlement.Destination, Attempt: 1, Outcome: OutcomeFailed, Reason: e.Settlement.Reason}
	if e.Settlement.Status == daybook.Stored {
		s.Outcome = OutcomeDelivered
	}
	return s
}

// A stepJSON is the row of a step: null where something is absent.
type stepJSON struct {
	At          *time.Time `json:"at"`
	Step        string     `json:"step"`
	Destination *string    `json:"destination"`
	Attempt     *uint32    `json:"attempt"`
	Outcome     *string    `json:"outcome"`
	Reason      *string    `json:"reason"`
	Detail      *string    `json:"detail"`
	Caller      *string    `json:"caller"`
}

// MarshalJSON implements [json.Marshaler].
func (s Step) MarshalJSON() ([]byte, error) {
	at := s.At.UTC()
	return json.Marshal(stepJSON{
		At: present(at), Step: s.Step, Destination: present(s.Destination), Attempt: present(s.Attempt),
		Outcome: present(s.Outcome), Reason: present(s.Reason), Detail: present(s.Detail), Caller: present(s.Caller),
	})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Step) UnmarshalJSON(text []byte) error {
	var in stepJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*s = Step{
		At: absent(in.At), Step: in.Step, Destination: absent(in.Destination), Attempt: absent(in.Attempt),
		Outcome: absent(in.Outcome), Reason: absent(in.Reason), Detail: absent(in.Detail), Caller: absent(in.Caller),
	}
	return nil
}

// present returns v, or nil for the zero value.
func present[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// absent is the inverse of present.
func absent[T any](v *T) (zero T) {
	if v == nil {
		return zero
	}
	return *v
}
