package caller

import (
	"time"

	"daybook.dev"
)

// Why a request is turned away for who sent it, or who may have;
// docs/reasons.md explains them.
const (
	ReasonMissing     = "missing_credentials"
	ReasonMalformed   = "malformed_credentials"
	ReasonUnknown     = "unknown_credentials"
	ReasonConflicting = "conflicting_credentials"
	ReasonAttempts    = "too_many_attempts"

	ReasonProtocolNotAllowed = "protocol_not_allowed"
	ReasonEventNotAllowed    = "event_not_allowed"
	ReasonQuota              = "quota_exceeded"
)

// Where is what the errors of this package name as the part that noticed.
const Where = "caller"

// A Refusal is a request that was turned away for who sent it.
type Refusal struct {
	Protocol string
	Caller   string // "" = nobody was proved
	Remote   string // the peer's host; "" = not known
	Err      *daybook.Error
}

func noCredentials() *daybook.Error {
	return unauthenticated(ReasonMissing, "no credentials: send a key as Authorization: Bearer KEY")
}

// unknown is the same for a key, a user and a password that nobody has: which of
// them it was is for the caller to know.
func unknown() *daybook.Error {
	return unauthenticated(ReasonUnknown, "the credentials are nobody's: see that the key is complete, and has not been revoked")
}

func malformed(message string) *daybook.Error { return unauthenticated(ReasonMalformed, message) }

func unauthenticated(reason, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Unauthenticated, Where: Where, Reason: reason, Message: message}
}

// tooManyAttempts says that a password cannot be looked at now.
func tooManyAttempts(wait time.Duration) *daybook.Error {
	return &daybook.Error{
		Code: daybook.Exhausted, Where: Where, Reason: ReasonAttempts, RetryAfter: max(wait, time.Second),
		Message: "too many passwords are being tried: try again later",
	}
}

// overQuota returns the error for a wait, nil for none.
func overQuota(wait time.Duration) *daybook.Error {
	if wait <= 0 {
		return nil
	}
	return &daybook.Error{
		Code: daybook.Exhausted, Where: Where, Reason: ReasonQuota, RetryAfter: wait,
		Message: "this caller's quota is used up",
	}
}
