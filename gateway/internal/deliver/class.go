package deliver

import (
	"errors"
	"time"

	"daybook.dev"
)

// A Class is what an error of a destination means to whoever delivers. Package
// sink says which errors are of which class.
type Class uint8

// The classes.
const (
	Taken         Class = iota // no error: the destination has the events
	Transient                  // try again, with growing waits
	Throttled                  // wait at least as long as the destination says, then try again
	Misconfigured              // nothing gets through until a person acts: keep everything, try again slowly
	Permanent                  // trying again cannot help: the event becomes a dead letter
	classes
)

var classWords = [classes]string{"taken", "transient", "throttled", "misconfigured", "permanent"}

// String returns the word for metrics and logs.
func (c Class) String() string { return classWords[c] }

// classOf is the table of package sink. What it does not name is Transient.
var classOf = map[daybook.Code]Class{
	daybook.OK:              Taken,
	daybook.Invalid:         Permanent,
	daybook.TooLarge:        Permanent,
	daybook.Conflict:        Permanent,
	daybook.Unauthenticated: Misconfigured,
	daybook.Denied:          Misconfigured,
	daybook.Unimplemented:   Misconfigured,
	daybook.Exhausted:       Throttled,
	daybook.Unavailable:     Transient,
	daybook.Internal:        Transient,
}

// ClassOf returns the class of what a sink's Write returned.
func ClassOf(err error) Class {
	if class, ok := classOf[daybook.CodeOf(err)]; ok {
		return class
	}
	return Transient
}

// A fault is what is kept of an error: nothing that an event contains.
type fault struct {
	class      Class
	code       daybook.Code
	reason     string
	field      string
	message    string // a sentence that may be shown
	retryAfter time.Duration
	cause      error // for the log
}

// faultOf returns what is kept of err, which is not nil.
func faultOf(err error) *fault {
	f := &fault{class: ClassOf(err), code: daybook.CodeOf(err), cause: err}
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
