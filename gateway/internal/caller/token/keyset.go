package token

import (
	"context"
	"crypto"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// refreshAfter is the age at which an issuer's keys are fetched again, so that
	// one that was withdrawn does not stay good.
	refreshAfter = 15 * time.Minute

	// staleAfter is the age until which keys are used while the issuer cannot be
	// reached.
	staleAfter = 24 * time.Hour

	// fetchEvery is the least time between two attempts, and retryEvery after one
	// that failed: a token that names a key nobody knows costs its sender nothing.
	fetchEvery = 5 * time.Second
	retryEvery = time.Second
)

// A keySet is the keys of an issuer. They are fetched when they are needed, by
// whoever needs them.
type keySet struct {
	fetch func(context.Context) ([]jose.JSONWebKey, error)
	now   func() time.Time

	// turn is held by whoever fetches, so that it happens once; waiting for it
	// ends with the context.
	turn chan struct{}

	mu      sync.Mutex // guards what follows; never held while fetching
	keys    []jose.JSONWebKey
	fetched time.Time // zero = never
	tried   time.Time
	failure error // of the last attempt
}

func newKeySet(now func() time.Time, fetch func(context.Context) ([]jose.JSONWebKey, error)) *keySet {
	return &keySet{fetch: fetch, now: now, turn: make(chan struct{}, 1)}
}

// A wish is for the keys that may have made a signature.
type wish struct {
	id        string // "" = any
	algorithm string
	anew      bool // those at hand will not do
}

// find returns the keys that are wished for. None and nil means that the issuer
// has no such key; an error, that nobody could tell.
func (s *keySet) find(ctx context.Context, w wish) ([]crypto.PublicKey, error) {
	keys, due := s.known(w)
	if !due {
		return s.found(ctx, keys)
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if keys, due = s.known(w); due { // nobody has fetched them meanwhile
		s.refresh(ctx)
		keys, _ = s.known(w)
	}
	return s.found(ctx, keys)
}

// found returns keys, and why there are none where that is nobody's answer.
func (s *keySet) found(ctx context.Context, keys []crypto.PublicKey) ([]crypto.PublicKey, error) {
	if len(keys) > 0 {
		return keys, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return nil, s.failure
}

// known returns the keys at hand that fit, and whether to fetch anew.
func (s *keySet) known(w wish) (fit []crypto.PublicKey, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now.Sub(s.fetched) < staleAfter {
		for i := range s.keys {
			if fits(&s.keys[i], w) {
				fit = append(fit, s.keys[i].Key)
			}
		}
	}
	pause := fetchEvery
	if s.failure != nil {
		pause = retryEvery
	}
	wanted := w.anew || len(fit) == 0 || now.Sub(s.fetched) >= refreshAfter
	return fit, wanted && now.Sub(s.tried) >= pause
}

func (s *keySet) refresh(ctx context.Context) {
	keys, err := s.fetch(ctx)
	if err != nil && ctx.Err() != nil {
		return // who asked has gone, which says nothing about the issuer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried, s.failure = s.now(), err
	if err == nil {
		s.keys, s.fetched = keys, s.tried
	}
}

// fits tells whether a key is for signatures like that. A token without the id of
// a key is tried with all.
func fits(key *jose.JSONWebKey, w wish) bool {
	return (w.id == "" || key.KeyID == w.id) &&
		(key.Algorithm == "" || key.Algorithm == w.algorithm) &&
		(key.Use == "" || key.Use == "sig") &&
		key.Valid() && key.IsPublic()
}
