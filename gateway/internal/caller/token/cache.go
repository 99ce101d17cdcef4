package token

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// A Cache remembers what a verifier found out. Tokens are known to it by their
// hash only. Set the fields before the first use; Verifier is required.
type Cache struct {
	Verifier Verifier

	// Most is how many good tokens are remembered, and how many refused ones:
	// they do not compete, so that a flood of nonsense pushes nobody out. Zero
	// means 10,000.
	Most int

	// Keep is how long a good token is remembered, if it does not expire earlier:
	// one that is withdrawn stays good for as long. Zero means 1m.
	Keep time.Duration

	// KeepRefusals is how long a refused one is. Zero, and anything above, means
	// 30s.
	KeepRefusals time.Duration

	// Looked is told of each time the verifier had to work: how long, and what
	// came of it. Nil means nobody is.
	Looked func(took time.Duration, err error)

	// Now is the time. Nil means time.Now.
	Now func() time.Time

	mu      sync.Mutex // guards what follows; never held while the verifier works
	good    *lru[hash, finding]
	refused *lru[hash, finding]
	flights map[hash]*flight
}

type hash [sha256.Size]byte

const (
	defaultMost  = 10_000
	defaultKeep  = time.Minute
	keepRefusals = 30 * time.Second
)

// A finding is what became of one token.
type finding struct {
	claims Claims
	err    error // a *RefusedError, or nil
	until  time.Time
}

// A flight is a token that is being verified. Whoever comes first does it; the
// others wait for it, each as long as it likes.
type flight struct {
	done chan struct{} // closed by whoever came first; what follows is set by then

	claims    Claims
	err       error
	abandoned bool // whoever came first has gone, and nothing is known
}

// Verify implements [Verifier].
func (c *Cache) Verify(ctx context.Context, token string) (Claims, error) {
	key := hash(sha256.Sum256([]byte(token)))
	for {
		found, first, f := c.look(key)
		switch {
		case f == nil:
			return found.claims, found.err
		case first:
			c.verify(ctx, key, f, token)
			return f.claims, f.err
		}
		select {
		case <-f.done:
			if !f.abandoned {
				return f.claims, f.err
			}
		case <-ctx.Done():
			return Claims{}, failed(ctx, "waiting for another request with the same token", ctx.Err())
		}
	}
}

// look returns what is known, or else the flight that will know, and whether it
// is the caller who makes it.
func (c *Cache) look(key hash) (found finding, first bool, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights == nil {
		most := c.Most
		if most <= 0 {
			most = defaultMost
		}
		c.good, c.refused, c.flights = newLRU[hash, finding](most), newLRU[hash, finding](most), make(map[hash]*flight)
	}
	for _, remembered := range []*lru[hash, finding]{c.good, c.refused} {
		if found, ok := remembered.get(key); ok {
			if c.now().Before(found.until) {
				return found, false, nil
			}
			remembered.remove(key)
		}
	}
	if f, ok := c.flights[key]; ok {
		return finding{}, false, f
	}
	f = &flight{done: make(chan struct{}), abandoned: true}
	c.flights[key] = f
	return finding{}, true, f
}

func (c *Cache) verify(ctx context.Context, key hash, f *flight, token string) {
	defer func() { // also when the verifier panics: others must not wait for ever
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.flights, key)
		close(f.done)
		if !f.abandoned {
			c.remember(key, f)
		}
	}()
	begin := c.now()
	f.claims, f.err = c.Verifier.Verify(ctx, token)
	if c.Looked != nil {
		c.Looked(c.now().Sub(begin), f.err)
	}
	f.abandoned = f.err != nil && ctx.Err() != nil
}

// remember keeps what is not to be found out again at once. Nothing is kept of a
// token when nobody could tell.
func (c *Cache) remember(key hash, f *flight) {
	now := c.now()
	if f.err != nil {
		if refusal, ok := errors.AsType[*RefusedError](f.err); ok && !refusal.passing {
			c.refused.put(key, finding{err: f.err, until: now.Add(within(c.KeepRefusals, keepRefusals))})
		}
		return
	}
	keep := c.Keep
	if keep <= 0 {
		keep = defaultKeep
	}
	until := now.Add(keep)
	if end := f.claims.Expires; !end.IsZero() && end.Before(until) {
		until = end
	}
	if until.After(now) {
		c.good.put(key, finding{claims: f.claims, until: until})
	}
}

// within is d, or most where d is not set or more.
func within(d, most time.Duration) time.Duration {
	if d <= 0 {
		return most
	}
	return min(d, most)
}

func (c *Cache) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}
