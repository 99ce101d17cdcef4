package token

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"time"
)

// parseClaims reads the claims of a JWT, or of an answer about a token, which has
// the same names (RFC 7519, RFC 7662). It returns nil Claims and why when they
// cannot be meant.
func parseClaims(payload []byte, keep []string) (parsed, error) {
	var all members
	if json.Unmarshal(payload, &all) != nil {
		return parsed{}, refuse("has claims that cannot be read")
	}
	var c struct {
		issuer, subject, client, party string
		audience, scope, scopes        texts
		expires, notBefore             *date
		active                         bool // of an answer about a token
	}
	for name, claim := range map[string]any{
		"iss": &c.issuer, "sub": &c.subject, "client_id": &c.client, "azp": &c.party, "aud": &c.audience,
		"scope": &c.scope, "scp": &c.scopes, // what some issuers call it
		"exp": &c.expires, "nbf": &c.notBefore, "active": &c.active,
	} {
		if all.read(name, claim) != nil {
			return parsed{}, refuse("has claims that cannot be read")
		}
	}
	p := parsed{
		claims: Claims{
			Issuer: c.issuer, Subject: c.subject, Client: cmp.Or(c.client, c.party), Audience: c.audience, Expires: c.expires.time(),
		},
		active: c.active, notBefore: c.notBefore.time(),
	}
	for _, text := range append(c.scope, c.scopes...) {
		p.claims.Scopes = append(p.claims.Scopes, strings.Fields(text)...)
	}
	for _, name := range keep {
		var values texts
		if all[name] != nil && all.read(name, &values) == nil {
			if p.claims.Other == nil {
				p.claims.Other = make(map[string][]string, len(keep))
			}
			p.claims.Other[name] = values
		}
	}
	return p, nil
}

// members are those of an object, by their names as they are written: in a struct
// "SUB" would count as "sub".
type members map[string]json.RawMessage

// read reads a member, where there is one.
func (m members) read(name string, into any) error {
	if m[name] == nil {
		return nil
	}
	return json.Unmarshal(m[name], into)
}

// A parsed is what claims say beside what is kept of them.
type parsed struct {
	claims    Claims
	active    bool // of an answer about a token
	notBefore time.Time
}

// current returns nil when the token is good at now, as far as its times say.
func (p parsed) current(now time.Time) error {
	if end := p.claims.Expires; !end.IsZero() && !now.Before(end.Add(Leeway)) {
		return refuse("has expired")
	}
	if now.Add(Leeway).Before(p.notBefore) {
		return &RefusedError{Why: "is not good yet", passing: true}
	}
	return nil
}

// claimedIssuer returns the issuer that a JWT names, before anything is verified:
// it only decides who is to verify it. It is "" for what is no JWT.
func claimedIssuer(token string) string {
	if len(token) > maxBytes {
		return ""
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims members
	var issuer string
	if json.Unmarshal(payload, &claims) != nil || claims.read("iss", &issuer) != nil {
		return ""
	}
	return issuer
}

// texts is a claim that may be one value or several.
type texts []string

// UnmarshalJSON takes a text, a number, a truth value, or an array of them.
func (t *texts) UnmarshalJSON(data []byte) error {
	var many []json.RawMessage
	if json.Unmarshal(data, &many) != nil {
		many = []json.RawMessage{data}
	}
	*t = nil
	for _, one := range many {
		var text string
		switch {
		case json.Unmarshal(one, &text) == nil && one[0] == '"':
			*t = append(*t, text)
		case one[0] != '{' && one[0] != '[' && one[0] != 'n':
			*t = append(*t, string(one))
		}
	}
	return nil
}

// A date is a moment as JWTs have it: seconds since 1970, perhaps with a fraction.
type date struct{ at time.Time }

// UnmarshalJSON refuses what is no number, and what is beyond any calendar.
func (d *date) UnmarshalJSON(data []byte) error {
	var seconds float64
	if err := json.Unmarshal(data, &seconds); err != nil {
		return err
	}
	const year9999 = 253402300799
	seconds = min(max(seconds, -year9999), year9999)
	whole, fraction := math.Modf(seconds)
	d.at = time.Unix(int64(whole), int64(fraction*1e9))
	return nil
}

func (d *date) time() time.Time {
	if d == nil {
		return time.Time{}
	}
	return d.at
}
