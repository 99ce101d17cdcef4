package delivertest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"daybook.dev"
)

// A Sink does with each write what its script says. The zero value takes
// everything. It is safe for concurrent use.
type Sink struct {
	mu     sync.Mutex // guards everything below
	script func(ctx context.Context, events []daybook.Event) error
	writes [][]string     // ids, by write
	taken  map[string]int // how often, by scope and id
	order  []string       // what was taken, in order
	now    int            // writes under way
	most   int            // of them at once
}

// Do replaces the script. Nil takes everything.
func (s *Sink) Do(script func(ctx context.Context, events []daybook.Event) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// Fail makes every write fail with err. Nil takes everything.
func (s *Sink) Fail(err error) {
	s.Do(func(context.Context, []daybook.Event) error { return err })
}

// Write implements [daybook.Sink].
func (s *Sink) Write(ctx context.Context, events []daybook.Event) error {
	script := s.begin(events)
	var err error
	if script != nil {
		err = script(ctx, events)
	}
	s.end(events, err)
	return err
}

func (s *Sink) begin(events []daybook.Event) func(context.Context, []daybook.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	s.writes = append(s.writes, ids)
	s.now++
	s.most = max(s.most, s.now)
	return s.script
}

// end notes what was taken, and destroys the events as far as they were the
// write's own: whoever wrote them may not look at them again, nor may a sink.
func (s *Sink) end(events []daybook.Event, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	for i := range events {
		if !refused(events[i].ID, err) {
			if s.taken == nil {
				s.taken = map[string]int{}
			}
			s.taken[key(&events[i])]++
			s.order = append(s.order, key(&events[i]))
		}
		events[i] = daybook.Event{ID: "destroyed"}
	}
}

func refused(id string, err error) bool {
	if partial, ok := errors.AsType[*daybook.PartialError](err); ok {
		return slices.ContainsFunc(partial.Failed, func(o daybook.Outcome) bool { return o.ID == id })
	}
	return err != nil
}

func key(e *daybook.Event) string {
	if e.Origin == nil {
		return e.ID
	}
	return e.Origin.Scope + "/" + e.ID
}

// Close implements [daybook.Sink].
func (s *Sink) Close(context.Context) error { return nil }

// Taken returns how often each event was taken, by scope, a slash, and id.
func (s *Sink) Taken() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.taken)
}

// Order returns what was taken, in the order in which writes ended.
func (s *Sink) Order() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.order)
}

// Writes returns the ids of each write, in the order in which they began.
func (s *Sink) Writes() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

// AtOnce is how many writes there were at most at the same time.
func (s *Sink) AtOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// Refuse returns the error of a sink that does not take the events with some
// ids, each for the same reason.
func Refuse(err error, ids ...string) error {
	partial := &daybook.PartialError{}
	for _, id := range ids {
		partial.Failed = append(partial.Failed, daybook.Outcome{ID: id, Status: daybook.Failed, Err: err})
	}
	return partial
}

// Coded returns an error of a code.
func Coded(code daybook.Code) *daybook.Error {
	return &daybook.Error{Code: code, Where: "scripted", Reason: "scripted_" + code.String(), Message: "as the script says"}
}
