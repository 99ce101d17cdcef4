package query

import (
	"strings"
	"sync"
	"time"

	"daybook.dev"
)

// unstoredMax is how many events an Unstored remembers: a few megabytes.
const unstoredMax = 10_000

// An Unstored remembers the last events that were received and not stored, by
// their ids, until the gateway stops. Those leave no record: without it nobody
// could say why an event is not there. It is safe for concurrent use; the zero
// value is empty and ready.
type Unstored struct {
	mu     sync.Mutex
	events []unstored // guarded by mu, like everything below: at most unstoredMax
	oldest int        // of events, once there are so many
}

// An unstored is an event that was received and not stored.
type unstored struct {
	at       time.Time
	id       string
	caller   string
	protocol string
	outcome  Answer
	reason   string
	message  string
}

// answers are those of the outcomes that leave no record; "" = it leaves one.
var answers = [...]Answer{daybook.Dropped: Dropped, daybook.Refused: Refused, daybook.Failed: Failed}

// Observe takes note of the outcomes of a batch. It keeps nothing of them but
// texts. An event without an id cannot be asked for.
func (u *Unstored) Observe(caller, protocol string, outcomes []daybook.Outcome) {
	for i := range outcomes {
		o := &outcomes[i]
		answer := answers[o.Status]
		if kept := o.Durability != daybook.NotDurable; answer == "" || o.ID == "" || kept {
			continue // kept leaves a record, also of what was refused
		}
		u.add(unstored{
			at: time.Now(), id: strings.Clone(o.ID), // the id may be a part of a whole request
			caller: caller, protocol: protocol, outcome: answer, reason: o.Reason, message: sentence(o.Err),
		})
	}
}

// sentence is the part of an error that is for everybody.
func sentence(err error) string {
	if e, ok := err.(*daybook.Error); ok { //nolint:errorlint // an outcome's own error, not its cause
		return e.Message
	}
	return ""
}

func (u *Unstored) add(e unstored) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.events) < unstoredMax {
		u.events = append(u.events, e)
		return
	}
	u.events[u.oldest] = e
	u.oldest = (u.oldest + 1) % unstoredMax
}

// traced returns what is known of the events of that id, of one caller or, for
// "", of all; the oldest first.
func (u *Unstored) traced(id, caller string) (all []Traced) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range u.events {
		e := &u.events[(u.oldest+i)%len(u.events)]
		if e.id != id || caller != "" && e.caller != caller {
			continue
		}
		all = append(all, Traced{Answer: e.outcome, Caller: e.caller, Steps: []Step{
			{At: e.at, Step: StepReceived, Outcome: string(e.outcome), Reason: e.reason, Detail: e.detail(), Caller: e.caller},
		}})
	}
	return all
}

func (e *unstored) detail() string {
	over := "over " + e.protocol
	if e.message == "" {
		return over
	}
	return over + ": " + e.message
}
