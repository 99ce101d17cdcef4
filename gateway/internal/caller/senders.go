package caller

import (
	"context"
	"net/http"
	"slices"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller/license"
	"daybook.dev/gateway/internal/caller/token"
)

// TelemetryGateway is the protocol whose messages say who sends them, and which
// therefore asks for callers here.
const TelemetryGateway = "telemetry-gateway"

// Why a sender that its messages name is turned away.
const (
	ReasonUnlicensed   = "unlicensed"
	ReasonNotPermitted = "not_permitted"
	ReasonCheckFailed  = "check_failed" // of tokens on every protocol
)

// ServiceScopes are the scopes of which a managed service's token needs one,
// unless it is said otherwise: what is documented, and what deployed clients hold.
var ServiceScopes = []string{"telemetry_gateway::events::publish", "telemetry_gateway::events::write"}

// Edition is another number each time other callers have taken the place of those
// before. Whoever keeps a Caller for long asks again then.
func (r *Registry) Edition() uint64 {
	if r == nil {
		return 0
	}
	return r.book.Load().edition
}

// Licensed says whose row the license key of an instance is proved by. An error
// is Invalid, and begins with "invalid license_key: ", where the key cannot be
// read, no configured public key verifies it, or it has expired and the row minds;
// it is Denied or Exhausted where the row says so. No error holds the key.
func (r *Registry) Licensed(licenseKey string) (Caller, *daybook.Error) {
	known, err := r.licensed(licenseKey)
	return r.sender(known, err)
}

// licensed returns the first row that has the public key of who signed the license.
func (r *Registry) licensed(text string) (*account, error) {
	key, err := license.Parse(text)
	if err != nil {
		return nil, err
	}
	var tried []license.PublicKey
	for _, a := range r.accounts() {
		if len(a.licenseKeys) > 0 && key.Verify(a.licenseKeys) == nil {
			if a.row.Instances.EnforceExpiry {
				err = key.Expired(r.now())
			}
			return a, err
		}
		tried = append(tried, a.licenseKeys...)
	}
	return nil, key.Verify(tried)
}

// Unlicensed says as whom an instance without a license sends. An error is Denied
// where such instances may not, Exhausted where their quota is used up.
func (r *Registry) Unlicensed() (Caller, *daybook.Error) {
	if r == nil {
		return Anonymous, nil
	}
	for _, a := range r.accounts() {
		if a.row.Instances != nil && a.row.Instances.Unlicensed {
			return r.sender(a, nil)
		}
	}
	if b := r.book.Load(); !b.enforce || b.allowAnonymous {
		return r.sender(b.anonymous, nil)
	}
	return r.sender(nil, &daybook.Error{
		Code: daybook.Denied, Reason: ReasonUnlicensed, Message: "instances without a license may not send here",
	})
}

// Service says who sends as the managed service of that id, given the values of
// its request's authorization header. An error is Unauthenticated where they are
// not one bearer token; Denied, in the same words whatever the cause, where the
// token is not active or not for this; Internal where nobody could tell, and
// Exhausted where the caller's quota is used up. Service may ask another server,
// and gives up when ctx ends.
func (r *Registry) Service(ctx context.Context, authorization []string, serviceID string) (Caller, *daybook.Error) {
	known, err := r.service(ctx, authorization, serviceID)
	return r.sender(known, err)
}

func (r *Registry) service(ctx context.Context, authorization []string, id string) (*account, error) {
	shown, wrong := proofOf(http.Header{"Authorization": authorization})
	switch {
	case shown.kind == noProof && wrong == "":
		return nil, unauthenticated(ReasonMissing, "no credentials: send authorization: Bearer TOKEN")
	case shown.kind != bearerProof:
		return nil, malformed("managed services send one authorization: Bearer TOKEN")
	}
	for _, a := range r.accounts() {
		if a.tokens == nil || !a.servesAs(id) {
			continue
		}
		claims, ok, err := a.tokens.Verify(ctx, shown.token)
		switch {
		case daybook.CodeOf(err) == daybook.Unauthenticated:
			return nil, notPermitted(err)
		case err != nil:
			return nil, coded(err)
		case ok && r.book.Load().grants(claims.Scopes):
			return a, nil
		}
	}
	return nil, notPermitted(nil)
}

// notPermitted is opaque on purpose: what exactly is wrong with a token is for
// the log.
func notPermitted(cause error) *daybook.Error {
	return &daybook.Error{Code: daybook.Denied, Reason: ReasonNotPermitted, Message: "permission denied", Err: cause}
}

// accounts are the rows, in their order.
func (r *Registry) accounts() []*account {
	if r == nil {
		return nil
	}
	return r.book.Load().accounts
}

// sender lets a caller in that a message has named, or tells of the refusal.
func (r *Registry) sender(known *account, err error) (Caller, *daybook.Error) {
	refusal := Refusal{Protocol: TelemetryGateway}
	if err != nil {
		refusal.Err = coded(err)
	} else if refusal.Err = known.enter(TelemetryGateway); refusal.Err == nil {
		return known.caller, nil
	}
	if known != nil {
		refusal.Caller = known.caller.Name
	}
	if r != nil {
		r.refused(refusal)
	}
	return Caller{}, refusal.Err
}

// servesAs reports whether the row is for the managed service of that id.
func (a *account) servesAs(id string) bool {
	return len(a.row.Services) == 0 || slices.Contains(a.row.Services, id)
}

// grants reports whether a managed service's token has a scope it needs.
func (b *book) grants(scopes []string) bool {
	return slices.ContainsFunc(b.serviceScopes, func(wanted string) bool { return token.Grants(scopes, wanted) })
}
