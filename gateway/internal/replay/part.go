package replay

import (
	"cmp"
	"errors"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// A part is some records that follow each other: what is to be delivered of
// them, and where the cursor is when that is done.
type part struct {
	counts    Counts
	events    []daybook.Event
	positions []store.Position // by event
	bytes     int
	through   store.Position
	failures  []Failure
}

// passOver takes note of the records before position next that are not there:
// removed before it was their turn, or damaged.
func (p *part) passOver(next store.Position) {
	p.counts.Missed += uint64(next - p.through - 1)
	p.through = next - 1
}

// explain returns what may be shown of an error.
func explain(err error) daybook.Error {
	shown := daybook.Error{Code: daybook.CodeOf(err), Reason: "delivery_failed", Message: "the destination did not take the events"}
	if e, ok := errors.AsType[*daybook.Error](err); ok {
		shown.Reason, shown.Message = cmp.Or(e.Reason, shown.Reason), cmp.Or(e.Message, shown.Message)
	}
	return shown
}

func failureOf(at store.Position, id string, err error) Failure {
	e := explain(err)
	return Failure{Position: at, EventID: id, Code: e.Code.String(), Reason: e.Reason, Message: e.Message}
}
