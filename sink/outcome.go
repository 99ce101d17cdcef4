package sink

import (
	"errors"

	"daybook.dev"
)

// Permanent reports whether err is of the class that sets an event aside:
// sending it again cannot help.
func Permanent(err error) bool {
	switch daybook.CodeOf(err) {
	case daybook.Invalid, daybook.TooLarge, daybook.Conflict:
		return true
	}
	return false
}

// Failure returns the outcome of an event that was not taken because of err, as
// a *daybook.PartialError lists it: refused where the error is permanent, else
// failed.
func Failure(id string, err error) daybook.Outcome {
	o := daybook.Outcome{ID: id, Status: daybook.Failed, Err: err}
	if Permanent(err) {
		o.Status = daybook.Refused
	}
	if e, ok := errors.AsType[*daybook.Error](err); ok {
		o.Reason = e.Reason
	}
	return o
}
