package pubsub

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook.dev"
)

const where = "pubsub"

// verdict is what an answer means to us.
type verdict struct {
	code    daybook.Code
	reason  string
	message string
}

var verdicts = map[codes.Code]verdict{
	codes.InvalidArgument: {daybook.Invalid, "message_refused", "Pub/Sub refuses the message"},
	codes.OutOfRange:      {daybook.Invalid, "message_refused", "Pub/Sub refuses the message"},

	codes.NotFound:           {daybook.Unimplemented, "topic_missing", "the topic does not exist"},
	codes.FailedPrecondition: {daybook.Unimplemented, "policy", "the topic, its key or a policy forbids it"},
	codes.Unimplemented:      {daybook.Unimplemented, "unsupported", "whoever answers is no Pub/Sub"},
	codes.PermissionDenied:   {daybook.Denied, "permission_denied", "these credentials may not do this"},
	codes.Unauthenticated:    {daybook.Unauthenticated, "login_refused", "the credentials are refused"},

	codes.ResourceExhausted: {daybook.Exhausted, "quota_exceeded", "a quota is used up"},

	codes.Unavailable:      {daybook.Unavailable, "server_unavailable", "Pub/Sub cannot be reached"},
	codes.Aborted:          {daybook.Unavailable, "not_ready", "Pub/Sub cannot take it now"},
	codes.Canceled:         {daybook.Unavailable, "no_answer", "not acknowledged in time"},
	codes.DeadlineExceeded: {daybook.Unavailable, "no_answer", "not acknowledged in time"},
}

// explain returns err as an error of ours. Nil stays nil.
func explain(err error) error {
	if err == nil {
		return nil
	}
	code := status.Code(err)
	switch {
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	}
	v, ok := verdicts[code]
	if !ok {
		v = verdict{daybook.Internal, "server_failed", "Pub/Sub answers what was not expected"}
	}
	e := &daybook.Error{Code: v.code, Where: where, Reason: v.reason, Message: v.message, RetryAfter: retryAfter(err), Err: err}
	if v.code == daybook.Invalid {
		e.Err = errors.New(code.String()) // the text of the answer may quote the message
	}
	return e
}

// retryAfter returns the wait that an answer names, or 0.
func retryAfter(err error) time.Duration {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}
