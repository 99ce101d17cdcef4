package caller

import (
	"context"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller/license"
)

// Why a sender is turned away that names itself in its message rather than in
// its request's headers.
const (
	ReasonUnlicensed   = "unlicensed"
	ReasonNoToken      = "no_token"
	ReasonNotPermitted = "not_permitted"
	ReasonCheckFailed  = "check_failed"
)

// Licensed says whose row the license key of an instance is proved by. An error
// is Invalid, and begins with "invalid license_key: ", where the key cannot be
// read, no configured public key verifies it, or it has expired and that matters;
// it is Exhausted where the caller's quota is used up. No error holds the key.
func (r *Registry) Licensed(licenseKey string) (Caller, *daybook.Error) {
	return Caller{}, &daybook.Error{Code: daybook.Invalid, Reason: license.Reason, Field: "license_key",
		Message: "invalid license_key: it cannot be verified: no public key is configured"}
}

// Unlicensed says as whom an instance without a license sends. An error is Denied
// where such instances may not, Exhausted where their quota is used up.
func (r *Registry) Unlicensed() (Caller, *daybook.Error) {
	return Anonymous, nil
}

// Service says who sends as the managed service of that id, given the values of
// its request's authorization header. An error is Unauthenticated where they are
// not one bearer token; Denied, in the same words whatever the cause, where the
// token is not active or not for this; Internal where nobody could tell, and
// Exhausted where the caller's quota is used up. Service may ask another server,
// and gives up when ctx ends.
func (r *Registry) Service(ctx context.Context, authorization []string, serviceID string) (Caller, *daybook.Error) {
	return Caller{}, &daybook.Error{Code: daybook.Denied, Reason: ReasonNotPermitted, Message: "permission denied"}
}
