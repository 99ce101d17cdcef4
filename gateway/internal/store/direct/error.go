package direct

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"daybook.dev"
)

// where is the part that noticed, in the errors of this package.
const where = "direct store"

// retryAfter is the least wait that a caller is advised.
const retryAfter = time.Second

// refused is what a caller is told about an event that the destination can never
// take. It is the event that is too large, whatever the request is.
func refused(name string, err error) *daybook.Error {
	e, _ := errors.AsType[*daybook.Error](err) // permanent: it is one
	code := daybook.Invalid
	if e.Code == daybook.Conflict {
		code = daybook.Conflict
	}
	return &daybook.Error{
		Code: code, Where: where, Field: e.Field, Reason: cmp.Or(e.Reason, "refused_by_store"),
		Message: cmp.Or(e.Message, name+" cannot store the event as it is"), Err: err,
	}
}

// failed is what a caller is told about an event that the destination has not
// confirmed. Why is not the caller's affair: that the gateway's own key is wrong
// must not look as if the caller's were.
func failed(name string, err error) *daybook.Error {
	e, ok := errors.AsType[*daybook.Error](err)
	switch {
	case ok && e.Where == where: // of this package
		return e
	case errors.Is(err, daybook.ErrClosed):
		return &daybook.Error{Code: daybook.Unavailable, Where: where, Reason: "closed", Message: "the gateway is stopping; try again shortly", Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return tooSlow(err)
	case ok && e.Code == daybook.Exhausted:
		return &daybook.Error{
			Code: daybook.Exhausted, Where: where, Reason: "store_throttled", RetryAfter: max(e.RetryAfter, retryAfter),
			Message: fmt.Sprintf("%s asks for less; try again later", name), Err: err,
		}
	}
	return &daybook.Error{
		Code: daybook.Unavailable, Where: where, Reason: "store_failed", RetryAfter: retryAfter,
		Message: fmt.Sprintf("%s did not confirm the event; try again with the same event_id", name), Err: err,
	}
}

// tooSlow says that nobody knows soon enough.
func tooSlow(err error) *daybook.Error {
	return &daybook.Error{
		Code: daybook.Unavailable, Where: where, Reason: "store_slow", RetryAfter: retryAfter,
		Message: "the store has not answered in time; try again with the same event_id", Err: err,
	}
}

// overloaded says that more is waiting to be written than may wait.
func overloaded() *daybook.Error {
	return &daybook.Error{
		Code: daybook.Exhausted, Where: where, Reason: "store_overloaded", RetryAfter: retryAfter,
		Message: "the store has too much to write; try again",
	}
}

// conflict says that an id names another event of the same moment.
func conflict() *daybook.Error {
	return &daybook.Error{
		Code: daybook.Conflict, Where: where, Field: "event_id", Reason: "id_conflict",
		Message: "event_id was used before for an event with other content; the first one stays",
	}
}

// noDeadLetters says that an event that was set aside has no place to go.
func noDeadLetters() *daybook.Error {
	return &daybook.Error{
		Code: daybook.Internal, Where: where, Reason: "no_dead_letters",
		Message: "the gateway has no place for events that it sets aside; name one with dead_letters",
	}
}
