package intake

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"connectrpc.com/connect"

	"daybook.dev"
)

// statuses are HTTP's words for a request that is refused as a whole.
var statuses = map[daybook.Code]int{
	daybook.Invalid:         http.StatusBadRequest,
	daybook.Unauthenticated: http.StatusUnauthorized,
	daybook.Denied:          http.StatusForbidden,
	daybook.TooLarge:        http.StatusRequestEntityTooLarge,
	daybook.Conflict:        http.StatusBadRequest,
	daybook.Exhausted:       http.StatusTooManyRequests,
	daybook.Unavailable:     http.StatusServiceUnavailable,
	daybook.Unimplemented:   http.StatusUnsupportedMediaType, // a format or an encoding
	daybook.Internal:        http.StatusServiceUnavailable,
}

// Status is the HTTP status of a request that is refused as a whole.
func Status(err *daybook.Error) int {
	if err.Reason == ReasonMethodNotAllowed {
		return http.StatusMethodNotAllowed
	}
	return statuses[daybook.CodeOf(err)]
}

// StatusOf is the HTTP status of an answer with a result for each event: 429 or
// 503 when any event failed, as sending the batch again is then safe and needed;
// 400, or 403 where the caller may send none of them, when all were refused; else
// 200, also for a batch of no events. Err is what refused the request as a whole.
func StatusOf(outcomes []daybook.Outcome, err *daybook.Error) int {
	if err != nil {
		return Status(err)
	}
	refused, denied := 0, 0
	status := http.StatusOK
	for i := range outcomes {
		switch outcomes[i].Status {
		case daybook.Stored, daybook.Duplicate, daybook.Dropped:
		case daybook.Refused:
			refused++
			if daybook.CodeOf(outcomes[i].Err) == daybook.Denied {
				denied++
			}
		default: // failed, or nobody knows: to the caller the same
			if daybook.CodeOf(outcomes[i].Err) == daybook.Exhausted {
				return http.StatusTooManyRequests
			}
			status = http.StatusServiceUnavailable
		}
	}
	if len(outcomes) > 0 && refused == len(outcomes) && status == http.StatusOK {
		if denied == refused {
			return http.StatusForbidden
		}
		return http.StatusBadRequest
	}
	return status
}

// anyFailed reports whether an event failed, or nobody knows what became of it: then
// the request is to be sent again.
func anyFailed(outcomes []daybook.Outcome) bool {
	for i := range outcomes {
		switch outcomes[i].Status {
		case daybook.Stored, daybook.Duplicate, daybook.Dropped, daybook.Refused:
		default:
			return true
		}
	}
	return false
}

// codes are the words of gRPC and Connect.
var codes = map[daybook.Code]connect.Code{
	daybook.Invalid:         connect.CodeInvalidArgument,
	daybook.Unauthenticated: connect.CodeUnauthenticated,
	daybook.Denied:          connect.CodePermissionDenied,
	daybook.TooLarge:        connect.CodeResourceExhausted,
	daybook.Conflict:        connect.CodeAlreadyExists,
	daybook.Exhausted:       connect.CodeResourceExhausted,
	daybook.Unavailable:     connect.CodeUnavailable,
	daybook.Unimplemented:   connect.CodeUnimplemented,
	daybook.Internal:        connect.CodeInternal,
}

// RPCCode is the code of an error in gRPC and Connect. One that carries none, or
// no error where there should be one, is our fault.
func RPCCode(err error) connect.Code {
	if code, ok := codes[daybook.CodeOf(err)]; ok {
		return code
	}
	return connect.CodeInternal
}

// RetryAfter is the longest wait that any error asks for, in whole seconds as the
// header of that name has it, and at least one. Err may be nil.
func RetryAfter(outcomes []daybook.Outcome, err *daybook.Error) string {
	longest := time.Second
	if err != nil {
		longest = max(longest, err.RetryAfter)
	}
	for i := range outcomes {
		if e := ErrorOf(&outcomes[i]); e != nil {
			longest = max(longest, e.RetryAfter)
		}
	}
	return strconv.Itoa(int((longest + time.Second - 1) / time.Second))
}

// ErrorOf returns an outcome's error as an *daybook.Error, nil for none.
func ErrorOf(o *daybook.Outcome) *daybook.Error {
	if o.Err == nil {
		return nil
	}
	if e, ok := errors.AsType[*daybook.Error](o.Err); ok {
		return e
	}
	return &daybook.Error{Code: daybook.Internal, Reason: o.Reason, Message: "the event could not be stored"}
}

// SetHeaders sets what every HTTP answer says beside its body: the durability,
// when to try again, and which proof is asked for.
func SetHeaders(header http.Header, status int, durability daybook.Durability, outcomes []daybook.Outcome, err *daybook.Error) {
	header[DurabilityHeader] = []string{durability.String()}
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header["Retry-After"] = []string{RetryAfter(outcomes, err)}
	case http.StatusUnauthorized:
		header["Www-Authenticate"] = challenges
	case http.StatusMethodNotAllowed:
		header["Allow"] = []string{http.MethodPost}
	}
}

var challenges = []string{`Bearer realm="daybook"`, `Basic realm="daybook", charset="UTF-8"`}
