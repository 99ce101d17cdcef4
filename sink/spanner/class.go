package spanner

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook.dev"
)

const where = "spanner"

// Reasons that this package itself acts on.
const (
	reasonValue  = "value_not_storable"
	reasonExists = "already_exists" // never leaves this package
)

// A class is what a code means for whoever delivers.
type class struct {
	code    daybook.Code
	reason  string
	message string
	quote   bool // the server's own words name things of the database, never values
}

var classes = map[codes.Code]class{
	codes.InvalidArgument:    {daybook.Invalid, reasonValue, "Spanner refuses a value of the event", false},
	codes.FailedPrecondition: {daybook.Invalid, reasonValue, "Spanner refuses a value of the event", false},
	codes.OutOfRange:         {daybook.Invalid, "constraint_violated", "a constraint of the table refuses the event", false},
	codes.AlreadyExists:      {daybook.Conflict, reasonExists, "a row is there already", false},

	codes.NotFound:         {daybook.Unimplemented, "table_missing", "there is no such table, or it lacks a column", true},
	codes.Unimplemented:    {daybook.Unimplemented, "not_supported", "the server does not support this", true},
	codes.PermissionDenied: {daybook.Denied, "permission_denied", "the account may not do this", true},
	codes.Unauthenticated:  {daybook.Unauthenticated, "login_refused", "Spanner does not accept the credentials", false},

	codes.ResourceExhausted: {daybook.Exhausted, "server_exhausted", "a quota or the server's capacity is used up", true},

	codes.Aborted:          {daybook.Unavailable, "server_unavailable", "the transaction lost against others, several times", false},
	codes.Unavailable:      {daybook.Unavailable, "server_unavailable", "Spanner cannot be reached", true},
	codes.DeadlineExceeded: {daybook.Unavailable, "server_unavailable", "no answer in time; it may or may not be stored", false},
	codes.Canceled:         {daybook.Unavailable, "server_unavailable", "given up before the answer; it may or may not be stored", false},
}

// failure returns an error of the service as ours. It does not wrap it: the
// text may quote what was sent.
func failure(err error) *daybook.Error {
	s := status.Convert(err)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		s = status.FromContextError(err)
	}
	c, ok := classes[s.Code()]
	if !ok {
		c = class{code: daybook.Internal, reason: "server_failed", message: "Spanner failed"}
	}
	switch kind := resource(err); {
	case lost(err):
		c = classes[codes.Unavailable]
	case s.Code() == codes.NotFound && (strings.HasSuffix(kind, ".Database") || strings.HasSuffix(kind, ".Instance")):
		c.reason, c.message = "database_missing", "there is no such database"
	}
	cause := s.Code().String()
	if c.quote {
		const longest = 300
		text := s.Message()
		cause += ": " + text[:min(len(text), longest)]
	}
	return &daybook.Error{
		Code: c.code, Where: where, Reason: c.reason, Message: c.message,
		RetryAfter: retryAfter(err), Err: errors.New(cause),
	}
}

// lost tells whether an error says that the session is gone.
func lost(err error) bool {
	return status.Code(err) == codes.NotFound && strings.HasSuffix(resource(err), ".Session")
}

// resource returns the type of what an error is about, or "".
func resource(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ResourceInfo); ok {
			return info.ResourceType
		}
	}
	return ""
}

// retryAfter returns how long the server asks to wait, or 0.
func retryAfter(err error) time.Duration {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return max(0, info.RetryDelay.AsDuration())
		}
	}
	return 0
}
