package token

import (
	"context"
	"crypto"
	"fmt"
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

// A keySet is the keys of an issuer. They are fetched when they are needed, on
// behalf of all who need them: that one goes away ends nothing, and begins nothing
// anew.
type keySet struct {
	fetch func(context.Context) ([]jose.JSONWebKey, error) // gives up by itself
	now   func() time.Time

	closing context.Context // ends fetching
	end     context.CancelFunc
	fetches sync.WaitGroup

	mu       sync.Mutex    // guards what follows; never held while fetching
	fetching chan struct{} // closed when what is under way has ended; nil = nothing is
	keys     []jose.JSONWebKey
	fetched  time.Time // zero = never
	tried    time.Time
	failure  error // of the last attempt
}

func newKeySet(now func() time.Time, fetch func(context.Context) ([]jose.JSONWebKey, error)) *keySet {
	s := &keySet{fetch: fetch, now: now}
	s.closing, s.end = context.WithCancel(context.Background())
	return s
}

// close ends what is under way, and waits until it has ended. Nothing is fetched
// any more.
func (s *keySet) close() {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.fetches.Wait()
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if coming := s.coming(w); coming != nil {
		s.mu.Unlock()
		select {
		case <-coming:
		case <-ctx.Done():
		}
		s.mu.Lock()
	}
	switch keys := s.fit(w); {
	case len(keys) > 0:
		return keys, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case s.closing.Err() != nil:
		return nil, s.closing.Err()
	default:
		return nil, s.failure
	}
}

// fit returns the keys at hand that may have made a signature. The caller holds
// s.mu.
func (s *keySet) fit(w wish) (keys []crypto.PublicKey) {
	if s.now().Sub(s.fetched) >= staleAfter {
		return nil
	}
	for i := range s.keys {
		if fits(&s.keys[i], w) {
			keys = append(keys, s.keys[i].Key)
		}
	}
	return keys
}

// coming returns what to wait for before the keys at hand are used, nil for
// nothing. It begins to fetch where that is due. The caller holds s.mu.
func (s *keySet) coming(w wish) <-chan struct{} {
	usable := len(s.fit(w)) > 0 && !w.anew
	if usable && s.now().Sub(s.fetched) < refreshAfter {
		return nil
	}
	pause := fetchEvery
	if s.failure != nil {
		pause = retryEvery
	}
	if s.fetching == nil && s.now().Sub(s.tried) >= pause && s.closing.Err() == nil {
		s.begin()
	}
	if usable && s.failure != nil {
		return nil // the issuer is away: who has good keys need not wait until it is back
	}
	return s.fetching
}

// begin fetches the keys. The caller holds s.mu.
func (s *keySet) begin() {
	done := make(chan struct{})
	s.fetching = done
	s.fetches.Go(func() {
		defer close(done)
		keys, err := s.ask()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fetching, s.tried, s.failure = nil, s.now(), err
		if err == nil {
			s.keys, s.fetched = keys, s.tried
		}
	})
}

// ask is fetch. What an issuer answers must not end the process.
func (s *keySet) ask() (keys []jose.JSONWebKey, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading them panicked: %v", p)
		}
	}()
	return s.fetch(s.closing)
}

// fits tells whether a key is for signatures like that. A token without the id of
// a key is tried with all.
func fits(key *jose.JSONWebKey, w wish) bool {
	return (w.id == "" || key.KeyID == w.id) &&
		(key.Algorithm == "" || key.Algorithm == w.algorithm) &&
		(key.Use == "" || key.Use == "sig") &&
		key.Valid() && key.IsPublic()
}
