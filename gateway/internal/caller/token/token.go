// Package token says what a bearer token stands for: it verifies JWTs against
// their issuer's keys, asks a server about tokens that only it can read, and
// remembers both within bounds. What it reads comes from anybody.
package token

import (
	"context"
	"time"
)

// Leeway is how far the clocks of a token's issuer and of this gateway may be
// apart.
const Leeway = 30 * time.Second

// maxBytes is the length of the longest token that is looked at.
const maxBytes = 16 << 10

// A Verifier says what a bearer token stands for. It is safe for concurrent use.
type Verifier interface {
	// Verify returns what a good token says. The error is a *RefusedError when the
	// token is not good; any other means that nobody could tell. No error holds
	// the token.
	Verify(ctx context.Context, token string) (Claims, error)
}

// Claims are what a good token says. They are shared: do not change them.
type Claims struct {
	Issuer   string // "" = the server that was asked does not say
	Subject  string
	Client   string // the OAuth client the token was issued to; "" = not said
	Audience []string
	Scopes   []string
	Expires  time.Time // zero = not said

	// Introspected claims are what a server said that was asked; others were
	// signed by their issuer.
	Introspected bool

	// Other are the claims the verifier was told to keep: their texts, or the
	// JSON of their numbers and truth values.
	Other map[string][]string
}

// A RefusedError says why a token is not good.
type RefusedError struct {
	Why string

	// passing refusals are not remembered: the token may be good in a moment.
	passing bool
}

// Error is the reason, for the log. Callers are not told it.
func (r *RefusedError) Error() string { return "token: " + r.Why }

func refuse(why string) error { return &RefusedError{Why: why} }

// A Router gives each token to the one verifier that may know it.
type Router struct {
	// Issuers verify the JWTs that name them, by their URL.
	Issuers map[string]Verifier

	// Opaque knows about all others. Nil means that nobody does.
	Opaque Verifier
}

// Verify implements [Verifier].
func (r *Router) Verify(ctx context.Context, token string) (Claims, error) {
	if issuer, ok := r.Issuers[claimedIssuer(token)]; ok {
		return issuer.Verify(ctx, token)
	}
	if r.Opaque != nil {
		return r.Opaque.Verify(ctx, token)
	}
	return Claims{}, refuse("is of no issuer that is trusted here")
}
