package token_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev/gateway/internal/caller/token"
	"daybook.dev/gateway/internal/caller/token/tokentest"
)

func TestAGoodTokenIsAskedAboutOnceAMinute(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	cache := &token.Cache{Verifier: newIntrospection(t, s, c), Now: c.now}
	s.Opaque("good", map[string]any{"sub": "x", "exp": c.in(time.Hour)})
	for range 3 {
		good(t, cache, "good")
	}
	asked(t, s, 1)
	c.advance(59 * time.Second)
	good(t, cache, "good")
	asked(t, s, 1)
	s.Opaque("good", nil) // withdrawn
	c.advance(time.Second)
	refused(t, cache, "good", "is not active")
	asked(t, s, 2)
}

func TestATokenIsNeverRememberedBeyondItsExpiry(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	cache := &token.Cache{Verifier: newIntrospection(t, s, c), Now: c.now}
	s.Opaque("short", map[string]any{"exp": c.in(10 * time.Second)})
	good(t, cache, "short")
	c.advance(9 * time.Second)
	good(t, cache, "short")
	asked(t, s, 1)
	c.advance(time.Second)
	good(t, cache, "short") // within the leeway, and asked again
	good(t, cache, "short")
	asked(t, s, 3)
	c.advance(token.Leeway)
	refused(t, cache, "short", "has expired")
}

func TestARefusedTokenIsRememberedForHalfAMinute(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	cache := &token.Cache{Verifier: newIntrospection(t, s, c), Now: c.now, KeepRefusals: time.Hour}
	refused(t, cache, "new", "is not active")
	s.Opaque("new", map[string]any{"sub": "x"})
	c.advance(29 * time.Second)
	refused(t, cache, "new", "is not active")
	asked(t, s, 1)
	c.advance(time.Second)
	good(t, cache, "new")
}

func TestWhatNobodyCouldTellIsNotRemembered(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	cache := &token.Cache{Verifier: newIntrospection(t, s, c), Now: c.now}
	s.Opaque("good", map[string]any{"sub": "x"})
	s.Break(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
	unknown(t, cache, "good", "status 502")
	s.Break(nil)
	good(t, cache, "good")

	// Nor is what may change in a moment.
	early := &token.Cache{Verifier: newIssuer(t, s, c), Now: c.now}
	text := s.JWT(map[string]any{"exp": c.in(time.Hour), "nbf": c.in(token.Leeway + 3*time.Second)})
	refused(t, early, text, "is not good yet")
	c.advance(4 * time.Second)
	good(t, early, text)
}

func TestAFloodOfNonsensePushesNobodyOut(t *testing.T) {
	verifier := &scripted{answer: func(text string) error {
		if text == "good" {
			return nil
		}
		return &token.RefusedError{Why: "nonsense"}
	}}
	cache := &token.Cache{Verifier: verifier, Most: 10}
	good(t, cache, "good")
	for n := range 1000 {
		refused(t, cache, fmt.Sprint("nonsense-", n), "nonsense")
	}
	good(t, cache, "good")
	if n := verifier.asked.Load(); n != 1001 {
		t.Errorf("asked %d times", n)
	}
	refused(t, cache, "nonsense-999", "nonsense") // still known
	refused(t, cache, "nonsense-0", "nonsense")   // long forgotten
	if n := verifier.asked.Load(); n != 1002 {
		t.Errorf("asked %d times", n)
	}
}

func TestTheTokenUsedLongestAgoIsForgottenFirst(t *testing.T) {
	verifier := &scripted{answer: func(string) error { return nil }}
	cache := &token.Cache{Verifier: verifier, Most: 2}
	for _, text := range []string{"a", "b", "a", "c", "a"} {
		good(t, cache, text)
	}
	if n := verifier.asked.Load(); n != 3 {
		t.Errorf("asked %d times, want once each", n)
	}
	good(t, cache, "b")
	if n := verifier.asked.Load(); n != 4 {
		t.Errorf("asked %d times: b was to be forgotten", n)
	}
}

func TestOneTokenIsAskedAboutOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verifier := &scripted{answer: func(string) error { return nil }, takes: time.Second}
		cache := &token.Cache{Verifier: verifier}
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { good(t, cache, "one") })
		}
		all.Wait()
		if n := verifier.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestWhoWaitsForAnotherWaitsAsLongAsItLikes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verifier := &scripted{answer: func(string) error { return nil }, takes: 3 * time.Second}
		cache := &token.Cache{Verifier: verifier}
		ask := func(patience time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := cache.Verify(ctx, "one")
			return err
		}
		var all sync.WaitGroup
		all.Go(func() { // comes first, and leaves before it is known
			if err := ask(2 * time.Second); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the first is told %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if err := ask(time.Second); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the impatient one is told %v", err)
			}
		})
		for range 10 {
			all.Go(func() { // one of them asks anew
				if err := ask(time.Minute); err != nil {
					t.Errorf("the patient are told %v", err)
				}
			})
		}
		all.Wait()
		if n := verifier.asked.Load(); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
	})
}

func TestAPanicOfTheVerifierLeavesNobodyWaiting(t *testing.T) {
	verifier := &scripted{answer: func(string) error { panic("broken") }}
	cache := &token.Cache{Verifier: verifier}
	for range 2 {
		func() {
			defer func() { _ = recover() }()
			_, _ = cache.Verify(t.Context(), "one")
		}()
	}
	verifier.answer = func(string) error { return nil }
	good(t, cache, "one")
}

func TestEachTokenGoesToTheOneVerifierThatMayKnowIt(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	opaque := &scripted{answer: func(string) error { return nil }}
	router := &token.Router{Issuers: map[string]token.Verifier{s.URL: newIssuer(t, s, c)}, Opaque: opaque}
	good(t, router, s.JWT(map[string]any{"exp": c.in(time.Hour)}))
	if n := opaque.asked.Load(); n != 0 {
		t.Errorf("another server was told of the token, %d times", n)
	}
	for n, text := range []string{"opaque", "a.b.c", "a.e30.c", s.JWT(map[string]any{"iss": "https://else.where"})} {
		good(t, router, text)
		if got := opaque.asked.Load(); got != int64(n+1) {
			t.Errorf("%q: asked %d times", text, got)
		}
	}
	router.Opaque = nil
	refused(t, router, "opaque", "is of no issuer that is trusted here")
}

// A scripted verifier says what the test wants.
type scripted struct {
	answer func(token string) error
	takes  time.Duration
	asked  atomic.Int64
}

func (s *scripted) Verify(ctx context.Context, text string) (token.Claims, error) {
	s.asked.Add(1)
	if s.takes > 0 {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return token.Claims{}, ctx.Err()
		}
	}
	return token.Claims{Subject: text}, s.answer(text)
}

func asked(t *testing.T, s *tokentest.Server, want int) {
	t.Helper()
	if n := s.Asked(tokentest.IntrospectionPath); n != want {
		t.Errorf("asked %d times, want %d", n, want)
	}
}
