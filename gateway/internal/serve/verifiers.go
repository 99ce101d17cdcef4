package serve

import (
	"errors"
	"reflect"
	"slices"
	"time"

	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/caller/token"
)

// Verifiers say which bearer tokens are good, for all callers. They do not change;
// a reload makes others.
type verifiers struct {
	spec    tokenSpec
	cache   *token.Cache
	issuers map[string]*token.Issuer // by URL
	opaque  *token.Introspection     // nil = nobody is asked
}

// A tokenSpec is what verifiers are made from.
type tokenSpec struct {
	tokens  Tokens
	issuers []string // sorted
	claims  []string // that callers look at; sorted
}

func specOf(c Config) tokenSpec {
	s := tokenSpec{tokens: c.Tokens}
	for i := range c.Callers {
		var ignored []error // they were looked for before
		for _, m := range c.Callers[i].tokens(&ignored) {
			if m.Issuer != "" {
				s.issuers = append(s.issuers, m.Issuer)
			}
			for name := range m.Claims {
				s.claims = append(s.claims, name)
			}
		}
	}
	slices.Sort(s.issuers)
	slices.Sort(s.claims)
	s.issuers, s.claims = slices.Compact(s.issuers), slices.Compact(s.claims)
	return s
}

// next returns the verifiers for a configuration: these ones where nothing
// changes for them. An issuer that stays keeps its keys, so that a reload while
// it is away locks nobody out.
func (v *verifiers) next(c Config, m *metrics) *verifiers {
	spec := specOf(c)
	if v != nil && reflect.DeepEqual(v.spec, spec) {
		return v
	}
	n := &verifiers{spec: spec, issuers: map[string]*token.Issuer{}}
	router := &token.Router{Issuers: map[string]token.Verifier{}}
	for _, url := range spec.issuers {
		n.issuers[url] = v.issuer(url, spec)
		router.Issuers[url] = n.issuers[url]
	}
	if asked := spec.tokens.Introspection; asked.URL != "" {
		n.opaque = token.NewIntrospection(token.IntrospectionOptions{
			URL: string(asked.URL), ClientID: asked.ClientID, ClientSecret: string(asked.ClientSecret), Keep: spec.claims,
		})
		router.Opaque = n.opaque
	}
	n.cache = &token.Cache{Verifier: router, Keep: spec.tokens.Keep, Looked: m.countLookup}
	return n
}

// issuer returns the one of that URL, the present one where it would be the same.
func (v *verifiers) issuer(url string, spec tokenSpec) *token.Issuer {
	if v != nil && v.issuers[url] != nil && v.spec.tokens.Algorithms == spec.tokens.Algorithms && slices.Equal(v.spec.claims, spec.claims) {
		return v.issuers[url]
	}
	return token.NewIssuer(token.IssuerOptions{URL: url, Algorithms: spec.tokens.Algorithms.items(), Keep: spec.claims})
}

// attach tells the rows who knows about their tokens.
func (v *verifiers) attach(c *caller.Config) {
	for i := range c.Rows {
		matches, _ := c.Rows[i].Tokens.(caller.TokenMatches)
		for _, m := range matches {
			m.Good = v.cache
		}
	}
}

// close closes what next, which takes the place of v, does not go on with. No next
// means all of it.
func (v *verifiers) close(next *verifiers) {
	if v == nil || v == next {
		return
	}
	for url, issuer := range v.issuers {
		if next == nil || next.issuers[url] != issuer {
			issuer.Close()
		}
	}
	if v.opaque != nil {
		v.opaque.Close()
	}
}

// countLookup is told of each token that had to be looked at.
func (m *metrics) countLookup(took time.Duration, err error) {
	result := "good"
	if _, refused := errors.AsType[*token.RefusedError](err); refused {
		result = "refused"
	} else if err != nil {
		result = "failed"
	}
	m.lookups.WithLabelValues(result).Observe(took.Seconds())
}
