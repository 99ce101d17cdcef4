package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// Algorithms are those a JWT may be signed with, unless it is said otherwise: all
// with a public key. Never "none", and never one whose key the issuer shares.
var Algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// IssuerOptions are what an Issuer needs. URL is required.
type IssuerOptions struct {
	// URL is the issuer as its tokens name it. Its keys are found by OpenID
	// Connect's discovery.
	URL string

	// Algorithms that its tokens may be signed with. Nil means Algorithms.
	Algorithms []string

	// Keep names the claims that are put into Claims.Other.
	Keep []string

	// Now is the time. Nil means time.Now.
	Now func() time.Time
}

// An Issuer verifies the JWTs of one issuer. Whom they are for is not its
// question: the caller must look at the audience.
type Issuer struct {
	url        string
	algorithms []string
	signed     []jose.SignatureAlgorithm
	keep       []string
	now        func() time.Time
	client     *http.Client
	keys       *keySet
}

// NewIssuer returns an issuer. It is not asked for its keys before the first
// token comes, so that a gateway starts while it is away.
func NewIssuer(o IssuerOptions) *Issuer {
	i := &Issuer{url: o.URL, algorithms: o.Algorithms, keep: o.Keep, now: o.Now, client: newClient()}
	if len(i.algorithms) == 0 {
		i.algorithms = Algorithms
	}
	for _, name := range i.algorithms {
		if slices.Contains(Algorithms, name) {
			i.signed = append(i.signed, jose.SignatureAlgorithm(name))
		}
	}
	if i.now == nil {
		i.now = time.Now
	}
	i.keys = newKeySet(i.now, i.fetchKeys)
	return i
}

// Close ends what is asked of the issuer, and closes the connections that are idle.
// Afterwards nobody can tell about a token for which keys would have to be fetched.
func (i *Issuer) Close() {
	i.keys.close()
	i.client.CloseIdleConnections()
}

// Verify implements [Verifier].
func (i *Issuer) Verify(ctx context.Context, token string) (Claims, error) {
	if len(token) > maxBytes {
		return Claims{}, refuse("has more than 16 KiB")
	}
	parsed, err := jose.ParseSignedCompact(token, i.signed)
	if err != nil {
		return Claims{}, refuse("is no JWT that is signed with an algorithm allowed here")
	}
	header := parsed.Signatures[0].Header
	w := wish{id: header.KeyID, algorithm: header.Algorithm}
	proved, signed, err := i.verify(ctx, token, w)
	if err == nil && !signed {
		w.anew = true // the issuer may have a new key under the same id
		proved, signed, err = i.verify(ctx, token, w)
	}
	switch {
	case err != nil:
		return Claims{}, err
	case !signed:
		return Claims{}, &RefusedError{Why: "is not signed by its issuer", passing: true}
	}
	return i.claims(proved)
}

// verify also says whether the token is signed by one of the issuer's keys.
func (i *Issuer) verify(ctx context.Context, token string, w wish) (_ *oidc.IDToken, signed bool, _ error) {
	found, err := i.keys.find(ctx, w)
	if err != nil {
		return nil, false, failed(ctx, "the issuer's keys", err)
	}
	keys := &witness{StaticKeySet: oidc.StaticKeySet{PublicKeys: found}}
	proved, err := oidc.NewVerifier(i.url, keys, &oidc.Config{
		SupportedSigningAlgs: i.algorithms,
		SkipClientIDCheck:    true, // a row's question
		SkipExpiryCheck:      true, // done with the other claims, with one leeway for both ends
	}).Verify(ctx, token)
	switch {
	case !keys.signed:
		return nil, false, nil
	case err != nil:
		return nil, true, refuse("is of another issuer, or has claims that cannot be read")
	}
	return proved, true, nil
}

// A witness notes whether the signature was right: the library says it in words
// only.
type witness struct {
	oidc.StaticKeySet
	signed bool
}

// VerifySignature implements [oidc.KeySet].
func (w *witness) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := w.StaticKeySet.VerifySignature(ctx, jwt)
	w.signed = err == nil
	return payload, err
}

func (i *Issuer) claims(proved *oidc.IDToken) (Claims, error) {
	var payload json.RawMessage
	if err := proved.Claims(&payload); err != nil {
		return Claims{}, refuse("has claims that cannot be read")
	}
	p, err := parseClaims(payload, i.keep)
	if err != nil {
		return Claims{}, err
	}
	if p.claims.Expires.IsZero() {
		return Claims{}, refuse("never expires")
	}
	p.claims.Issuer = i.url
	return p.claims, p.current(i.now())
}

// fetchKeys asks the issuer where its keys are, and for them. Where they are is
// asked every time: an issuer may move them.
func (i *Issuer) fetchKeys(ctx context.Context) ([]jose.JSONWebKey, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), i.url)
	if err != nil {
		return nil, err
	}
	var found struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&found); err != nil {
		return nil, err
	}
	if err := CheckURL(found.Keys); err != nil {
		return nil, fmt.Errorf("jwks_uri %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, found.Keys, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := i.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	return readKeys(answer)
}

// readKeys passes over keys that this version cannot use: an issuer that adds one
// of a new kind still has its old ones.
func readKeys(answer *http.Response) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
		return nil, fmt.Errorf("are no JSON: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there are none")
	}
	return keys, nil
}
