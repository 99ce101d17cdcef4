package accept

import (
	"errors"

	"daybook.dev"
)

// indexed returns err as an *daybook.Error of its own that names the event's
// index: one store error answers many events.
func indexed(err error, index int) *daybook.Error {
	if errors.Is(err, daybook.ErrClosed) {
		return &daybook.Error{
			Code: daybook.Unavailable, Reason: "closed", Index: index,
			Message: "the gateway is stopping; try again shortly", Err: err,
		}
	}
	if e, ok := errors.AsType[*daybook.Error](err); ok {
		own := *e
		own.Index = index
		return &own
	}
	return &daybook.Error{
		Code: daybook.Internal, Reason: "store_failed", Index: index,
		Message: "the event could not be stored", Err: err,
	}
}
