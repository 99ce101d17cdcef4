package caller

import (
	"context"
	"errors"
	"slices"

	"daybook.dev/gateway/internal/caller/token"
)

// A TokenMatch is a Verifier for a row: it says which good tokens are the row's.
// All that is set must hold.
type TokenMatch struct {
	// Good says whether a token is good, and what it says; for all rows the same
	// one, which remembers. Required.
	Good token.Verifier

	Issuer   string // that signed the JWT; "" = tokens that a server was asked about
	Audience string // one of those the token is for; "" = any
	Subject  string // "" = any
	Client   string // the OAuth client it was issued to; "" = any

	Claims map[string]string // others, of which the value, or one of several, is this
	Scopes []string          // of which the token needs one; empty = none
}

// TokenMatches is a Verifier for a row that tokens of several kinds prove: any of
// them will do.
type TokenMatches []*TokenMatch

// Verify implements [Verifier].
func (all TokenMatches) Verify(ctx context.Context, text string) (Claims, bool, error) {
	for _, m := range all {
		if claims, ok, err := m.Verify(ctx, text); ok || err != nil {
			return claims, ok, err
		}
	}
	return Claims{}, false, nil
}

// Verify implements [Verifier].
func (m *TokenMatch) Verify(ctx context.Context, text string) (Claims, bool, error) {
	found, err := m.Good.Verify(ctx, text)
	if refusal, ok := errors.AsType[*token.RefusedError](err); ok {
		e := unknown()
		e.Err = refusal // no other row will think better of it
		return Claims{}, false, e
	}
	if err != nil || !m.fits(found) {
		return Claims{}, false, err
	}
	return Claims{Subject: found.Subject, Scopes: found.Scopes, Expires: found.Expires}, true, nil
}

func (m *TokenMatch) fits(c token.Claims) bool {
	if c.Introspected != (m.Issuer == "") || m.Issuer != "" && c.Issuer != m.Issuer {
		return false
	}
	if m.Audience != "" && !slices.Contains(c.Audience, m.Audience) {
		return false
	}
	if m.Subject != "" && c.Subject != m.Subject || m.Client != "" && c.Client != m.Client {
		return false
	}
	for name, want := range m.Claims {
		if !slices.Contains(c.Other[name], want) {
			return false
		}
	}
	return len(m.Scopes) == 0 || slices.ContainsFunc(m.Scopes, func(wanted string) bool { return token.Grants(c.Scopes, wanted) })
}
