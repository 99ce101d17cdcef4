package token

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// lookups is how many tokens are asked about at a time.
const lookups = 32

// IntrospectionOptions are what an Introspection needs. URL is required.
type IntrospectionOptions struct {
	URL          string // of the server's introspection endpoint
	ClientID     string // the gateway's own
	ClientSecret string // the gateway's own

	// Keep names the claims that are put into Claims.Other.
	Keep []string

	// Now is the time. Nil means time.Now.
	Now func() time.Time
}

// An Introspection asks a server what a token stands for (RFC 7662).
type Introspection struct {
	options IntrospectionOptions
	client  *http.Client
	turns   chan struct{} // held by whoever asks
}

// NewIntrospection returns one that has not asked anything yet.
func NewIntrospection(o IntrospectionOptions) *Introspection {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Introspection{options: o, client: newClient(), turns: make(chan struct{}, lookups)}
}

// Close closes the connections that are idle.
func (i *Introspection) Close() { i.client.CloseIdleConnections() }

// Verify implements [Verifier].
func (i *Introspection) Verify(ctx context.Context, token string) (Claims, error) {
	if len(token) > maxBytes {
		return Claims{}, refuse("has more than 16 KiB")
	}
	const asked = "introspection"
	select {
	case i.turns <- struct{}{}:
		defer func() { <-i.turns }()
	case <-ctx.Done():
		return Claims{}, failed(ctx, asked, ctx.Err())
	}
	payload, err := i.ask(ctx, token)
	if err != nil {
		return Claims{}, failed(ctx, asked, err)
	}
	p, err := parseClaims(payload, i.options.Keep)
	switch {
	case err != nil:
		return Claims{}, fmt.Errorf("token: %s: the answer cannot be read", asked)
	case !p.active:
		return Claims{}, refuse("is not active")
	}
	p.claims.Introspected = true
	return p.claims, p.current(i.options.Now())
}

func (i *Introspection) ask(ctx context.Context, token string) ([]byte, error) {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, i.options.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	// Both are form-encoded first: RFC 6749, section 2.3.1.
	request.SetBasicAuth(url.QueryEscape(i.options.ClientID), url.QueryEscape(i.options.ClientSecret))
	answer, err := i.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.StatusCode {
	case http.StatusOK:
		return io.ReadAll(answer.Body)
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("status %d: the server does not accept the gateway's own credentials", answer.StatusCode)
	}
	return nil, fmt.Errorf("status %d", answer.StatusCode)
}
