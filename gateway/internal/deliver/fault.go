package deliver

import (
	"errors"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
)

// A fault is what is kept of an error: nothing that an event contains.
type fault struct {
	class      attempt.Class
	code       daybook.Code
	reason     string
	field      string
	message    string // a sentence that may be shown
	retryAfter time.Duration
	cause      error // for the log
}

// faultOf returns what is kept of err, which is not nil.
func faultOf(err error) *fault {
	f := &fault{class: attempt.ClassOf(err), code: daybook.CodeOf(err), cause: err}
	if e, ok := errors.AsType[*daybook.Error](err); ok && e != nil {
		f.reason, f.field, f.message, f.retryAfter = e.Reason, e.Field, e.Message, e.RetryAfter
	}
	if f.reason == "" {
		f.reason = f.code.String()
	}
	if f.message == "" {
		f.message = "the destination did not take the event"
	}
	return f
}

// faultsOf returns the faults of the events that a PartialError names, by id.
func faultsOf(partial *daybook.PartialError) map[string]*fault {
	faults := make(map[string]*fault, len(partial.Failed))
	for i := range partial.Failed {
		faults[partial.Failed[i].ID] = faultOfOutcome(&partial.Failed[i])
	}
	return faults
}

// faultOfOutcome goes by the outcome's error, or by its status where the sink
// left that out.
func faultOfOutcome(o *daybook.Outcome) *fault {
	err := o.Err
	if err == nil {
		code := daybook.Unavailable
		if o.Status == daybook.Refused {
			code = daybook.Invalid
		}
		err = &daybook.Error{Code: code, Reason: o.Reason}
	}
	f := faultOf(err)
	if f.reason == f.code.String() && o.Reason != "" {
		f.reason = o.Reason
	}
	return f
}
