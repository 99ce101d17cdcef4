package logevent

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"connectrpc.com/connect"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

// A reply is what a call is answered, in any encoding.
type reply struct {
	eventID string
	key     string // echoed only when the call fully succeeded
	dropped bool   // an operator's rule dropped the event
	failure *failure
}

// A failure is an error answer.
type failure struct {
	code       connect.Code
	message    string
	storedID   string        // of the event, when it is stored all the same
	retryAfter time.Duration // 0 = no advice
}

// outcomeHeader says in answers what OK alone does not.
const outcomeHeader = "Daybook-Outcome"

// replyOf renders an outcome in the contract's words.
func replyOf(o daybook.Outcome, key string) reply {
	if o.Err == nil {
		switch o.Status {
		case daybook.Stored, daybook.Duplicate:
			return reply{eventID: o.ID, key: key}
		case daybook.Dropped:
			return reply{eventID: o.ID, key: key, dropped: true}
		}
	}
	f := &failure{code: codeOf(o), message: "the event could not be stored"}
	if e, ok := errors.AsType[*daybook.Error](o.Err); ok {
		f.retryAfter = e.RetryAfter
		if e.Message != "" {
			f.message = e.Message
		}
	}
	if o.Status == daybook.Stored {
		f.storedID = o.ID
	}
	if f.code == connect.CodeResourceExhausted {
		f.retryAfter = max(f.retryAfter, time.Second)
	}
	return reply{failure: f}
}

// unread is the reply to a call whose body could not be read.
func unread(err *daybook.Error) reply {
	f := &failure{code: unreadCode(err), message: err.Message, retryAfter: err.RetryAfter}
	return reply{failure: f}
}

func unreadCode(err *daybook.Error) connect.Code {
	switch {
	case errors.Is(err.Err, context.Canceled):
		return connect.CodeCanceled
	case errors.Is(err.Err, context.DeadlineExceeded):
		return connect.CodeDeadlineExceeded
	}
	return wireCode(err)
}

// wireCode is the contract's code for an error. A gateway that is overloaded,
// full or stopping has stored nothing and says so with resource_exhausted.
func wireCode(err error) connect.Code {
	if code := intake.RPCCode(err); code != connect.CodeUnavailable {
		return code
	}
	return connect.CodeResourceExhausted
}

// codeOf is the contract's error table. Unavailable is kept for one meaning,
// stored but not forwarded: whoever reads it may stop trying.
func codeOf(o daybook.Outcome) connect.Code {
	switch {
	case o.Status == daybook.Stored:
		return connect.CodeUnavailable
	case errors.Is(o.Err, context.Canceled):
		return connect.CodeCanceled
	case errors.Is(o.Err, context.DeadlineExceeded):
		return connect.CodeDeadlineExceeded
	}
	return wireCode(o.Err)
}

// setHeader adds what a reply says outside its body.
func (r *reply) setHeader(h http.Header, durability daybook.Durability) {
	switch {
	case r.dropped:
		h[outcomeHeader] = []string{daybook.Dropped.String()}
	case r.failure == nil || r.failure.storedID != "":
		h[intake.DurabilityHeader] = []string{durability.String()}
	case r.failure.retryAfter > 0:
		seconds := (r.failure.retryAfter + time.Second - 1) / time.Second
		h["Retry-After"] = []string{strconv.Itoa(int(seconds))}
	}
}
