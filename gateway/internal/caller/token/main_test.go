package token_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"daybook.dev/gateway/internal/caller/token"
	"daybook.dev/gateway/internal/caller/token/tokentest"
	"daybook.dev/internal/need"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

// A clock is moved by the test.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *clock) in(d time.Duration) int64 { return c.now().Add(d).Unix() }

func newIssuer(t *testing.T, s *tokentest.Server, c *clock, keep ...string) *token.Issuer {
	t.Helper()
	issuer := token.NewIssuer(token.IssuerOptions{URL: s.URL, Keep: keep, Now: c.now})
	t.Cleanup(issuer.Close)
	return issuer
}

func newIntrospection(t *testing.T, s *tokentest.Server, c *clock, keep ...string) *token.Introspection {
	t.Helper()
	i := token.NewIntrospection(token.IntrospectionOptions{
		URL: s.URL + tokentest.IntrospectionPath, ClientID: tokentest.ClientID, ClientSecret: tokentest.ClientSecret, Keep: keep, Now: c.now,
	})
	t.Cleanup(i.Close)
	return i
}

// good wants a token to be good, and returns what it says.
func good(t *testing.T, v token.Verifier, text string) token.Claims {
	t.Helper()
	claims, err := v.Verify(t.Context(), text)
	if err != nil {
		t.Errorf("a good token: %v", err)
	}
	return claims
}

// refused wants a token to be refused, for a reason.
func refused(t *testing.T, v token.Verifier, text, why string) {
	t.Helper()
	claims, err := v.Verify(t.Context(), text)
	refusal, ok := errors.AsType[*token.RefusedError](err)
	if !ok || refusal.Why != why {
		t.Errorf("it says %+v, %v; want a refusal: %s", claims, err, why)
	}
	silent(t, err, text)
}

// unknown wants nobody to be able to tell, for a reason.
func unknown(t *testing.T, v token.Verifier, text, why string) {
	t.Helper()
	claims, err := v.Verify(t.Context(), text)
	if _, ok := errors.AsType[*token.RefusedError](err); ok || err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("it says %+v, %v; want an error with %q", claims, err, why)
	}
	silent(t, err, text)
}

// silent wants an error to hold neither the token nor the gateway's password.
func silent(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range []string{text, tokentest.ClientSecret, "canary"} {
		if secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds %q: %v", secret, err)
		}
	}
}
