package query

import (
	"context"
	"fmt"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// An Answer is what became of an event, as far as this gateway knows. Each of
// these knows more than those below it.
type Answer string

// The answers.
const (
	Found   Answer = "found"   // it is stored here
	Gone    Answer = "gone"    // it was stored here and is no longer kept
	Refused Answer = "refused" // it was received and is not acceptable
	Dropped Answer = "dropped" // it was received and dropped on purpose
	Failed  Answer = "failed"  // it was received and could not be stored
	Never   Answer = "never"   // nothing is known of it
)

// A Trace is what became of the events of one id: of every caller who used it.
type Trace struct {
	EventID string   `json:"event_id"`
	Answer  Answer   `json:"answer"`
	Message string   `json:"message"` // what it means and what to do, for people
	Events  []Traced `json:"events"`  // none for Never
}

// A Traced is one event and what happened to it, in order.
type Traced struct {
	Answer    Answer         `json:"answer"`
	Caller    string         `json:"caller"`
	EventName string         `json:"event_name,omitempty"`
	Position  store.Position `json:"position,omitempty"`
	Steps     []Step         `json:"steps"`

	// Entry is the event itself, where it is kept. It is not for everybody who
	// may know what became of it.
	Entry *store.Entry `json:"-"`
}

// Deliveries know what became of an event on its way to the destinations.
type Deliveries interface {
	// Steps returns what happened to the event r at that position after it was
	// stored: for each destination at least where it is now.
	Steps(at store.Position, r *store.Record) []Step
}

// A Tracer finds out what became of an event. It is safe for concurrent use.
type Tracer struct {
	// Events are those kept; it must find records by their key too.
	Events interface {
		store.Selector
		store.Finder
	}

	// Durability is what being stored there means.
	Durability daybook.Durability

	// Scopes returns within what ids are unique here: the callers there have
	// been, and publishers that are known.
	Scopes func() []string

	// Deliveries are asked about what is found. Nil means that there are no
	// destinations.
	Deliveries Deliveries

	// Unstored remembers what was not stored. Nil means that nobody does.
	Unstored *Unstored
}

// Trace finds out what became of the events of that id: of all scopes, or of
// one.
func (t *Tracer) Trace(ctx context.Context, id, scope string) (Trace, error) {
	trace := Trace{EventID: id, Answer: Never}
	for _, s := range t.scopes(scope) {
		// One id may have been set aside first, and accepted when it was corrected.
		for _, key := range []store.Key{store.SetAsideKeyOf(s, id), store.KeyOf(s, id)} {
			traced, found, err := t.stored(ctx, key, id, s)
			if err != nil {
				return Trace{}, err
			}
			if found {
				trace.Events = append(trace.Events, traced)
			}
		}
	}
	if t.Unstored != nil {
		trace.Events = append(trace.Events, t.Unstored.traced(id, scope)...)
	}
	trace.conclude()
	return trace, nil
}

func (t *Tracer) scopes(only string) []string {
	if only != "" {
		return []string{only}
	}
	return t.Scopes()
}

// stored looks for the event of a key among those that were stored.
func (t *Tracer) stored(ctx context.Context, key store.Key, id, scope string) (traced Traced, found bool, err error) {
	at, found, err := t.Events.Find(ctx, key)
	if !found || err != nil {
		return Traced{}, false, err
	}
	entries, err := t.Events.Read(ctx, at-1, 1)
	if err != nil {
		return Traced{}, false, err
	}
	if len(entries) == 0 || entries[0].Position != at || entries[0].Event.ID != id {
		return Traced{Answer: Gone, Caller: scope, Position: at, Steps: []Step{
			{Step: StepStored, Caller: scope, Outcome: string(Gone), Detail: fmt.Sprintf("at position %d, which is no longer kept", at)},
		}}, true, nil
	}
	e := &entries[0]
	traced = Traced{Answer: Found, Caller: e.Caller, EventName: e.Event.Name, Position: at, Entry: e}
	traced.Steps, err = t.steps(ctx, e)
	if e.Kind == store.KindRefused {
		traced.Answer = Refused
	}
	return traced, true, err
}

// steps tells what happened to an event that is kept.
func (t *Tracer) steps(ctx context.Context, e *store.Entry) ([]Step, error) {
	steps := []Step{received(e.Received, &e.Record)}
	if e.Kind == store.KindRefused && e.Refusal != nil {
		steps = append(steps, Step{
			At: e.Received, Step: StepRefused, Outcome: string(Refused), Reason: e.Refusal.Reason, Detail: e.Refusal.Message,
		})
	}
	steps = append(steps, Step{Step: StepStored, Outcome: t.Durability.String(), Detail: fmt.Sprintf("position %d", e.Position)})
	if e.Kind == store.KindEvent {
		waited, err := t.waited(ctx, e)
		if err != nil {
			return nil, err
		}
		steps = append(steps, waited...)
		if t.Deliveries != nil {
			steps = append(steps, t.Deliveries.Steps(e.Position, &e.Record)...)
		}
	}
	for i := range steps {
		steps[i].Caller = e.Caller
	}
	return steps, nil
}

// lookFor bounds how far behind an event its settlements are looked for: they
// are written before the caller is answered.
const lookFor = 5 * time.Minute

// waited returns what the destinations said that the caller waited for.
func (t *Tracer) waited(ctx context.Context, e *store.Entry) (steps []Step, err error) {
	if len(e.Awaited) == 0 {
		return nil, nil
	}
	end, err := t.Events.Seek(ctx, e.Received.Add(lookFor))
	if err != nil {
		return nil, err
	}
	missing := map[string]bool{}
	for _, name := range e.Awaited {
		missing[name] = true
	}
	for after := e.Position; after < end && len(missing) > 0; {
		entries, through, err := t.Events.ReadKinds(ctx, after, readMax, store.KindSettled)
		if err != nil {
			return nil, err
		}
		for i := range entries {
			if s := entries[i].Settlement; s.Position == e.Position && missing[s.Destination] {
				delete(missing, s.Destination)
				steps = append(steps, settled(&entries[i]))
			}
		}
		if through <= after {
			break
		}
		after = through
	}
	for _, name := range e.Awaited {
		if missing[name] {
			steps = append(steps, Step{
				Step: StepWaited, Destination: name, Attempt: 1, Outcome: OutcomeUnknown,
				Detail: "its answer was not recorded: it is on its way, or the gateway died in between",
			})
		}
	}
	return steps, nil
}

// conclude gives the trace the best of its events' answers, and says what it
// means.
func (t *Trace) conclude() {
	for _, answer := range []Answer{Found, Gone, Refused, Dropped, Failed} {
		for i := range t.Events {
			if t.Events[i].Answer == answer {
				t.Answer, t.Message = answer, advice[answer]
				return
			}
		}
	}
	t.Message = advice[Never]
}

// advice says what the answers mean and what to do.
var advice = map[Answer]string{
	Found: "stored here",
	Gone: "it was stored here and is no longer kept (journal.keep, journal.max_size); " +
		"the destinations may have it",
	Refused: "it was received and refused; correct it and send it again",
	Dropped: "it was received and dropped on purpose, by a rule or a sampling rate",
	Failed:  "it was received and could not be stored, and its caller was told to send it again: nothing says that it was",
	Never: "never received here, as far as this gateway remembers: ids of stored events for at least dedup.window, " +
		"of others the last ones since it was started. Check the id; name the caller or publisher with --caller; " +
		"ask the other gateways, if there are any",
}
