package serve

import (
	"context"
	"time"

	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/store"
)

// steps tells of an event what became of it at each destination that follows
// the journal.
type steps struct {
	follow *following
	names  []string
}

// lookWithin bounds how long one event's dead letters are looked for.
const lookWithin = 5 * time.Second

// Steps implements [query.Deliveries].
func (s steps) Steps(at store.Position, r *store.Record) []query.Step {
	ctx, cancel := context.WithTimeout(context.Background(), lookWithin)
	defer cancel()
	letters, err := s.follow.letters.List(ctx, deadletter.Filter{Positions: []store.Position{at}})
	var all []query.Step
	for _, name := range s.names {
		step, tells := s.step(name, at, r)
		if !tells {
			continue
		}
		for i := range letters.Entries {
			if e := &letters.Entries[i]; e.Destination == name {
				step.Outcome, step.Attempt, step.Reason, step.Detail = query.OutcomeDead, e.Attempts, e.Reason, e.Message
			}
		}
		if err != nil && step.Outcome == query.OutcomeDelivered {
			step.Outcome, step.Detail = query.OutcomeUnknown, "done, but the dead letters could not be read"
		}
		all = append(all, step)
	}
	return all
}

// step is what the destination's lane knows. It has nothing to tell while the
// caller waits: what the destination says then is a record of its own.
func (s steps) step(name string, at store.Position, r *store.Record) (step query.Step, tells bool) {
	step = query.Step{Step: query.StepDelivery, Destination: name}
	p, followed := s.follow.engine.Progress(name, at)
	switch {
	case !s.follow.engine.Wants(name, r):
		step.Outcome = query.OutcomeFiltered
	case !followed:
		step.Outcome, step.Detail = query.OutcomeFiltered, "the destination began behind this event"
	case p.Awaited:
		return step, false
	case p.Finished:
		step.Outcome = query.OutcomeDelivered
	case p.InFlight || p.Attempts > 0:
		step.Outcome, step.Attempt, step.Reason = query.OutcomeSending, p.Attempts, p.Reason
	default:
		step.Outcome = query.OutcomeQueued
	}
	return step, true
}
