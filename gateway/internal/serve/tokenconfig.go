package serve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/caller/token"
)

// Tokens says how bearer tokens are verified that are no keys.
type Tokens struct {
	Introspection Introspection
	Algorithms    List          `live:"true" usage:"algorithms that JWTs may be signed with (default all with a public key)"`
	ServiceScopes List          `default:"telemetry_gateway::events::publish,telemetry_gateway::events::write" live:"true" usage:"scopes of which the token of a managed service needs one"`
	Keep          time.Duration `default:"1m" live:"true" usage:"how long a good token is remembered, if it does not expire earlier"`
}

// Introspection is the server that knows about tokens only it can read (RFC
// 7662), and the gateway's own credentials there.
type Introspection struct {
	URL          URL    `live:"true" usage:"address where tokens are asked about"`
	ClientID     string `live:"true" usage:"the gateway's own client id there"`
	ClientSecret Secret `live:"true" usage:"the gateway's own password there"`
}

// CallerJWT says which signed tokens are the caller's. All that is set must hold.
type CallerJWT struct {
	Issuer   string `usage:"address of who signs the tokens, as they name it; its keys are found by OpenID Connect's discovery"`
	Audience string `usage:"whom the tokens are for: what stands for this gateway at the issuer"`
	TokenFields
}

// CallerIntrospection says which tokens are the caller's that tokens.introspection
// is asked about. All that is set must hold.
type CallerIntrospection struct {
	Audience string `usage:"whom the tokens are for"`
	TokenFields
}

// TokenFields are what tokens of both kinds say.
type TokenFields struct {
	Subject  string `usage:"whom the token stands for"`
	ClientID string `usage:"the OAuth client that the token was issued to (client_id, azp)"`
	Claims   List   `usage:"other claims, each as NAME=VALUE"`
	Scopes   List   `usage:"scopes of which the token needs one"`
}

// tokens returns which tokens are the caller's. Who says whether they are good is
// still missing.
func (c *Caller) tokens(problems *[]error) caller.TokenMatches {
	note := func(key, text string) { *problems = append(*problems, &keyError{key, errors.New(text)}) }
	var all caller.TokenMatches
	if j := c.JWT; j != (CallerJWT{}) {
		m := j.match("jwt", note)
		m.Issuer, m.Audience = j.Issuer, j.Audience
		if err := token.CheckURL(j.Issuer); err != nil {
			note("jwt.issuer", err.Error())
		}
		if j.Audience == "" {
			note("jwt.audience", "is missing: without it every token of the issuer would do, whomever it is for")
		}
		all = append(all, m)
	}
	if i := c.Introspection; i != (CallerIntrospection{}) {
		m := i.match("introspection", note)
		m.Audience = i.Audience
		all = append(all, m)
	}
	return all
}

func (f TokenFields) match(key string, note func(key, text string)) *caller.TokenMatch {
	m := &caller.TokenMatch{Subject: f.Subject, Client: f.ClientID, Scopes: f.Scopes.items()}
	for _, item := range f.Claims.items() {
		name, value, ok := strings.Cut(item, "=")
		if !ok || name == "" || value == "" {
			note(key+".claims", fmt.Sprintf("%q is not a claim such as repository=acme/shop", item))
			continue
		}
		if m.Claims == nil {
			m.Claims = map[string]string{}
		}
		m.Claims[name] = value
	}
	return m
}

// tokenProblems returns what is wrong with the keys below tokens, and with what
// callers expect of them.
func (c Config) tokenProblems(from Origins) []error {
	var problems []error
	note := func(key string, err error) {
		problems = append(problems, fmt.Errorf("%s: %s: %w", from.Of(key), key, err))
	}
	asked := c.Tokens.Introspection
	if asked.URL != "" {
		if err := token.CheckURL(string(asked.URL)); err != nil {
			note("tokens.introspection.url", err)
		}
		if asked.ClientID == "" || asked.ClientSecret == "" {
			note("tokens.introspection.url", errors.New("needs client_id and client_secret: servers tell nobody else about tokens"))
		}
	}
	for _, name := range c.Tokens.Algorithms.items() {
		if !slices.Contains(token.Algorithms, name) {
			note("tokens.algorithms", fmt.Errorf("%q is not one of: %s", name, strings.Join(token.Algorithms, ", ")))
		}
	}
	for i := range c.Callers {
		if c.Callers[i].Introspection != (CallerIntrospection{}) && asked.URL == "" {
			problems = append(problems, placedCaller(&c.Callers[i], from,
				&keyError{"introspection", errors.New("there is nobody to ask: set tokens.introspection.url")}))
		}
	}
	return problems
}
