package daybook

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Code is the class of an error: what a caller can do about it. Every intake
// has one table from codes to the statuses of its protocol.
type Code uint8

// OK is the zero Code because [CodeOf] of nil needs one. An *Error that carries
// it was never filled in and counts as Internal.
const (
	OK              Code = iota
	Invalid              // the event or request breaks a rule; do not retry it unchanged
	Unauthenticated      // nobody knows who is calling
	Denied               // the caller is known and may not do this
	TooLarge             // the request as a whole is over a limit
	Conflict             // the same ID was stored before with other content
	Exhausted            // too much at once: memory, disk or quota; retry after RetryAfter
	Unavailable          // not possible right now; retry
	Unimplemented        // this gateway does not do that
	Internal             // our fault; the log has the cause
)

var codeWords = [...]string{
	"ok", "invalid", "unauthenticated", "denied", "too_large", "conflict",
	"exhausted", "unavailable", "unimplemented", "internal",
}

// String returns the word that replies use.
func (c Code) String() string { return word(codeWords[:], uint8(c)) }

// MarshalText implements [encoding.TextMarshaler].
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. A word this version
// does not know becomes Internal.
func (c *Code) UnmarshalText(text []byte) error {
	n := index(codeWords[:], string(text))
	if n == 0 && string(text) != codeWords[OK] {
		n = int(Internal)
	}
	*c = Code(n)
	return nil
}

// An Error is a refusal or failure with what a machine needs to act on it and
// a sentence for people. Message may be shown to callers; Err is the internal
// cause, which is logged and never sent.
type Error struct {
	Code       Code
	Where      string        // the part that noticed, such as "journal"; "" = not worth saying
	Field      string        // the member at fault, such as "metadata.plan"; "" = none in particular
	Reason     string        // a stable word for machines, such as "blank_name"
	Message    string        // one sentence, safe to show to the caller
	Index      int           // position in the batch, from 0; meaningful only where there is a batch
	RetryAfter time.Duration // least wait before trying again; 0 = no advice
	Err        error         // cause; may be nil
}

// Error renders "where: message: cause", leaving out what is empty. The field
// is not repeated: messages name it.
func (e *Error) Error() string {
	if e == nil {
		return "<nil>"
	}
	parts := make([]string, 0, 3)
	if e.Where != "" {
		parts = append(parts, e.Where)
	}
	switch {
	case e.Message != "":
		parts = append(parts, e.Message)
	case e.Reason != "":
		parts = append(parts, e.Reason)
	default:
		parts = append(parts, CodeOf(e).String())
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first *Error in err's chain: OK for nil, and
// Internal for an error that carries no code.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	if e, ok := errors.AsType[*Error](err); ok && e != nil && e.Code != OK {
		return e.Code
	}
	return Internal
}

// ErrClosed is returned by every operation on something already closed.
var ErrClosed error = &Error{Code: Unavailable, Reason: "closed", Message: "already closed"}

// A PartialError is returned by [Sink.Write] when the sink has taken
// responsibility for some of the events and not for others.
type PartialError struct {
	// Failed has an outcome for each event the sink has not taken, found by
	// its ID; never empty.
	Failed []Outcome
}

// Error says how many events failed and why the first one did.
func (e *PartialError) Error() string {
	if len(e.Failed) == 0 {
		return "some events failed"
	}
	first := e.Failed[0]
	text := strconv.Itoa(len(e.Failed)) + " events failed, first " + strconv.Quote(first.ID)
	if first.Err != nil {
		return fmt.Sprintf("%s: %v", text, first.Err)
	}
	return text
}

// Unwrap returns the errors of the failed events, so that errors.Is and
// [CodeOf] look into them.
func (e *PartialError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failed))
	for _, o := range e.Failed {
		if o.Err != nil {
			errs = append(errs, o.Err)
		}
	}
	return errs
}
