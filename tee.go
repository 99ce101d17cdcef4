package daybook

import (
	"context"
	"errors"
)

// Tee returns a sink that writes everything to all of sinks, one after the
// other. Nil means that all of them have taken the events. When one has not, a
// caller who tries again repeats them for the others too: sinks that should not
// wait for each other belong into Config.Sinks, where each has its own lane.
func Tee(sinks ...Sink) Sink { return tee(append([]Sink(nil), sinks...)) }

type tee []Sink

// Write implements [Sink]. An error of a whole sink hides what others say about
// single events: what is tried again then is all of them. What one sink may take
// later counts before what another never will.
func (t tee) Write(ctx context.Context, events []Event) error {
	var whole error
	var failed []Outcome
	for _, s := range t {
		err := s.Write(ctx, events)
		if partial, ok := errors.AsType[*PartialError](err); ok {
			failed = append(failed, partial.Failed...)
			continue
		}
		if whole == nil || err != nil && permanent(CodeOf(whole)) {
			whole = err
		}
	}
	if whole != nil && permanent(CodeOf(whole)) {
		for i := range failed {
			if !failed[i].refused() {
				return failed[i].failure()
			}
		}
	}
	if whole != nil {
		return whole
	}
	if failed != nil {
		return &PartialError{Failed: failed}
	}
	return nil
}

// Close implements [Sink].
func (t tee) Close(ctx context.Context) error {
	errs := make([]error, len(t))
	for i, s := range t {
		errs[i] = s.Close(ctx)
	}
	return errors.Join(errs...)
}

// Filter returns a sink that writes those events to s that keep wants. The
// others are taken and forgotten.
func Filter(s Sink, keep func(Event) bool) Sink { return &filter{Sink: s, keep: keep} }

type filter struct {
	Sink
	keep func(Event) bool
}

// Write implements [Sink].
func (f *filter) Write(ctx context.Context, events []Event) error {
	kept := make([]Event, 0, len(events))
	for _, e := range events {
		if f.keep(e) {
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return f.Sink.Write(ctx, kept)
}

// Sample returns a sink that writes those events to s that decide keeps. Where
// it says at which rate, the event's SampleRate is multiplied by it. decide
// should go by what a copy of the event shares, such as its ID: an event that is
// written again must draw the same lot.
func Sample(s Sink, decide func(Event) Decision) Sink { return &sampler{Sink: s, decide: decide} }

type sampler struct {
	Sink
	decide func(Event) Decision
}

// Write implements [Sink].
func (s *sampler) Write(ctx context.Context, events []Event) error {
	kept := make([]Event, 0, len(events))
	for _, e := range events {
		d := s.decide(e)
		if !d.Keep {
			continue
		}
		if d.Rate > 0 && d.Rate < 1 {
			if e.SampleRate == 0 {
				e.SampleRate = 1
			}
			e.SampleRate *= d.Rate
		}
		kept = append(kept, e)
	}
	if len(kept) == 0 {
		return nil
	}
	return s.Sink.Write(ctx, kept)
}
