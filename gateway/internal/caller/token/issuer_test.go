package token_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"daybook.dev/gateway/internal/caller/token"
	"daybook.dev/gateway/internal/caller/token/tokentest"
)

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAJWTSaysWhatItsIssuerSigned(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	expires := c.in(time.Hour)
	got := good(t, newIssuer(t, s, c, "repository", "level", "groups", "absent"), s.JWT(map[string]any{
		"sub": "checkout", "azp": "client-1", "aud": []string{"daybook", "other"}, "exp": expires, "scope": "a::b::c d::e::f", "scp": []string{"g::h::i"},
		"repository": "acme/shop", "level": 3, "groups": []string{"x", "y"},
	}))
	if got.Introspected || got.Issuer != s.URL || got.Subject != "checkout" || got.Client != "client-1" || strings.Join(got.Audience, " ") != "daybook other" ||
		strings.Join(got.Scopes, " ") != "a::b::c d::e::f g::h::i" || got.Expires.Unix() != expires ||
		fmt.Sprint(got.Other) != "map[groups:[x y] level:[3] repository:[acme/shop]]" {
		t.Errorf("claims are %+v", got)
	}
}

// Names of claims differ in upper and lower case (RFC 7519, section 4): what an issuer
// lets people call their own must not become whom they are.
func TestAClaimCountsUnderItsExactNameOnly(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	own := map[string]any{"Sub": "root", "AUD": "daybook", "Scope": "a::b::c", "SCP": "a::b::c", "Client_Id": "root", "AZP": "root", "EXP": c.in(time.Hour)}
	claims := map[string]any{"sub": "ann", "aud": "other", "exp": c.in(time.Minute)}
	maps.Copy(claims, own)
	got := good(t, newIssuer(t, s, c), s.JWT(claims))
	if got.Subject != "ann" || got.Client != "" || fmt.Sprint(got.Audience) != "[other]" || len(got.Scopes) > 0 || got.Expires.Unix() != c.in(time.Minute) {
		t.Errorf("claims are %+v", got)
	}
	delete(claims, "exp")
	refused(t, newIssuer(t, s, c), s.JWT(claims), "never expires")

	s.Break(func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte(`{"active":false,"Active":true}`))
		return true
	})
	refused(t, newIntrospection(t, s, c), "withdrawn", "is not active")
}

func TestEveryAlgorithmWithAPublicKeyVerifies(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	issuer := newIssuer(t, s, c)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.Rotate(jose.RS256, rsaKey(t), true)
	byRSA := s.JWT(map[string]any{"exp": c.in(time.Hour)})
	s.Rotate(jose.EdDSA, ed, true)
	byEd := s.JWT(map[string]any{"exp": c.in(time.Hour)})
	good(t, issuer, byRSA)
	good(t, issuer, byEd)
	if n := s.Asked("/keys"); n != 1 {
		t.Errorf("keys were fetched %d times", n)
	}
}

func TestAForgedJWTIsRefused(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	s.Rotate(jose.RS256, rsaKey(t), false)
	issuer := newIssuer(t, s, c)
	honest := s.JWT(map[string]any{"sub": "ann", "exp": c.in(time.Hour)})
	good(t, issuer, honest)
	parts := strings.Split(honest, ".")
	payload := func(subject string) []byte {
		text, err := json.Marshal(map[string]any{"iss": s.URL, "sub": subject, "exp": c.in(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	encode := func(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }
	none := func(alg string) string {
		return encode([]byte(`{"alg":"`+alg+`","kid":"key-2"}`)) + "." + encode(payload("eve")) + "."
	}
	stranger := rsaKey(t)
	// The public key is no secret: whoever takes it for one can forge with it.
	confused := tokentest.Sign(t, jose.HS256, jose.JSONWebKey{Key: []byte(fmt.Sprint(stranger.N)), KeyID: "key-2"}, payload("eve"))

	const algorithm, signature = "is no JWT that is signed with an algorithm allowed here", "is not signed by its issuer"
	for _, forged := range []struct{ name, token, why string }{
		{"alg none", none("none"), algorithm},
		{"alg None", none("None"), algorithm},
		{"no alg", none(""), algorithm},
		{"alg none with a signature", none("none") + parts[2], algorithm},
		{"a shared secret", confused, algorithm},
		{"another payload", parts[0] + "." + encode(payload("eve")) + "." + parts[2], signature},
		{"another's key under the same id", tokentest.Sign(t, jose.RS256, jose.JSONWebKey{Key: stranger, KeyID: "key-2"}, payload("eve")), signature},
		{"another algorithm with the issuer's key", tokentest.Sign(t, jose.PS256, jose.JSONWebKey{Key: stranger, KeyID: "key-2"}, payload("eve")), signature},
		{"a key nobody knows", tokentest.Sign(t, jose.RS256, jose.JSONWebKey{Key: stranger, KeyID: "key-9"}, payload("eve")), signature},
		{"no key id", tokentest.Sign(t, jose.RS256, stranger, payload("eve")), signature},
		{"no signature", parts[0] + "." + parts[1] + ".", signature},
		{"no JWT", "canary", algorithm},
		{"nothing", "", algorithm},
		{"too long", strings.Repeat("A", 16<<10+1), "has more than 16 KiB"},
	} {
		t.Run(forged.name, func(t *testing.T) { refused(t, issuer, forged.token, forged.why) })
	}
}

func TestAnAlgorithmThatIsNotAllowedIsRefused(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	issuer := token.NewIssuer(token.IssuerOptions{URL: s.URL, Algorithms: []string{"RS256", "none", "HS256"}, Now: c.now})
	t.Cleanup(issuer.Close)
	refused(t, issuer, s.JWT(map[string]any{"exp": c.in(time.Hour)}), "is no JWT that is signed with an algorithm allowed here")
	s.Rotate(jose.RS256, rsaKey(t), false)
	good(t, issuer, s.JWT(map[string]any{"exp": c.in(time.Hour)}))
}

func TestAJWTIsGoodForItsTime(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	issuer := newIssuer(t, s, c)
	bounded := s.JWT(map[string]any{"exp": c.in(time.Minute), "nbf": c.in(-time.Minute)})
	good(t, issuer, bounded)
	c.advance(time.Minute + token.Leeway - 2*time.Second)
	good(t, issuer, bounded)
	c.advance(3 * time.Second)
	refused(t, issuer, bounded, "has expired")

	early := s.JWT(map[string]any{"exp": c.in(time.Hour), "nbf": c.in(token.Leeway + 2*time.Second)})
	refused(t, issuer, early, "is not good yet")
	c.advance(3 * time.Second)
	good(t, issuer, early)

	refused(t, issuer, s.JWT(nil), "never expires")
	refused(t, issuer, s.JWT(map[string]any{"exp": c.in(time.Hour), "nbf": "soon"}), "is of another issuer, or has claims that cannot be read")
	refused(t, issuer, s.JWT(map[string]any{"exp": c.in(time.Hour), "iss": "https://else.where"}), "is of another issuer, or has claims that cannot be read")
}

func TestKeysMayBeReplacedAtAnyTime(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	issuer := newIssuer(t, s, c)
	old := s.JWT(map[string]any{"exp": c.in(time.Hour)})
	good(t, issuer, old)

	s.Rotate(jose.RS256, rsaKey(t), true)
	byNew := s.JWT(map[string]any{"exp": c.in(time.Hour)})
	refused(t, issuer, byNew, "is not signed by its issuer") // fetched a moment ago
	c.advance(6 * time.Second)
	good(t, issuer, byNew)
	good(t, issuer, old)

	s.Rotate(jose.RS256, rsaKey(t), false) // the old ones are withdrawn
	good(t, issuer, old)
	c.advance(16 * time.Minute)
	refused(t, issuer, old, "is not signed by its issuer")
	refused(t, issuer, byNew, "is not signed by its issuer")
}

func TestTokensThatNameNoKeyDoNotMakeTheGatewayAskAndAsk(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	issuer := newIssuer(t, s, c)
	stranger := rsaKey(t)
	for n := range 50 {
		text := tokentest.Sign(t, jose.RS256, jose.JSONWebKey{Key: stranger, KeyID: fmt.Sprint("made-up-", n)}, []byte(`{}`))
		refused(t, issuer, text, "is not signed by its issuer")
	}
	if n := s.Asked("/keys"); n != 1 {
		t.Errorf("keys were fetched %d times", n)
	}
}

func TestAnIssuerThatIsAwayIsNotMissedForADay(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	issuer := newIssuer(t, s, c)
	text := s.JWT(map[string]any{"exp": c.in(100 * time.Hour)})
	s.Break(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "down", http.StatusBadGateway)
		return true
	})
	unknown(t, issuer, text, "token: the issuer's keys: 502 Bad Gateway: down")
	asked := s.Asked("/.well-known/openid-configuration")
	unknown(t, issuer, text, "token: the issuer's keys: 502 Bad Gateway: down")
	if n := s.Asked("/.well-known/openid-configuration"); n != asked {
		t.Errorf("asked again at once, %d times", n)
	}
	s.Break(nil)
	c.advance(2 * time.Second)
	good(t, issuer, text)

	s.Break(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusNotFound); return true })
	c.advance(23 * time.Hour)
	good(t, issuer, text)
	c.advance(2 * time.Hour)
	unknown(t, issuer, text, "404 Not Found")
}

func TestWhatAnIssuerAnswersIsNotTrustedBlindly(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	text := s.JWT(map[string]any{"exp": c.in(time.Hour)})
	at := func(path, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == path {
				_, _ = w.Write([]byte(body))
			}
			return r.URL.Path == path
		}
	}
	const discovery = "/.well-known/openid-configuration"
	for _, broken := range []struct {
		name, why string
		answer    func(http.ResponseWriter, *http.Request) bool
	}{
		{"no JSON", "failed to decode provider discovery object", at(discovery, "<html>")},
		{"another issuer", "issuer", at(discovery, `{"issuer":"https://else.where","jwks_uri":"`+s.URL+`/keys"}`)},
		{"keys in the clear", "jwks_uri must begin with https://", at(discovery, `{"issuer":"`+s.URL+`","jwks_uri":"http://else.where/keys"}`)},
		{"keys nowhere", "jwks_uri is not an absolute URL", at(discovery, `{"issuer":"`+s.URL+`"}`)},
		{"keys that are no JSON", "are no JSON", at("/keys", "<html>")},
		{"no keys", "there are none", at("/keys", `{"keys":[{"kty":"new"}]}`)},
		{"no end of keys", "more than 256 KiB", at("/keys", `{"keys":["`+strings.Repeat("A", 1<<20))},
		{"no end of discovery", "more than 256 KiB", at(discovery, strings.Repeat(" ", 1<<20))},
		{"lines for the log", `status\nERROR forged`, func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte("status\nERROR forged" + strings.Repeat("x", 10_000)))
			return true
		}},
		{"a redirect", "302 Found", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://else.where/", http.StatusFound)
			return true
		}},
	} {
		t.Run(broken.name, func(t *testing.T) {
			s.Break(broken.answer)
			unknown(t, newIssuer(t, s, c), text, broken.why)
		})
	}
}

func TestASharedSecretAmongTheKeysVerifiesNothing(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	secret := []byte("0123456789abcdef0123456789abcdef")
	s.Break(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/keys" {
			_, _ = fmt.Fprintf(w, `{"keys":[{"kty":"oct","kid":"shared","k":%q}]}`, base64.RawURLEncoding.EncodeToString(secret))
		}
		return r.URL.Path == "/keys"
	})
	payload := fmt.Appendf(nil, `{"iss":%q,"exp":%d}`, s.URL, c.in(time.Hour))
	refused(t, newIssuer(t, s, c), tokentest.Sign(t, jose.HS256, jose.JSONWebKey{Key: secret, KeyID: "shared"}, payload),
		"is no JWT that is signed with an algorithm allowed here")
}

func TestWhoeverWaitsForAnIssuerWaitsAsLongAsItLikes(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	issuer := newIssuer(t, s, c)
	text := s.JWT(map[string]any{"exp": c.in(time.Hour)})
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	s.Break(func(_ http.ResponseWriter, r *http.Request) bool {
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return false
	})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := issuer.Verify(ctx, text)
		first <- err
	}()
	<-arrived
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := issuer.Verify(gone, text); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("who has gone is told %v", err)
	}
	cancel()
	if err := <-first; err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("the first is told %v", err)
	}
	close(release)
	s.Break(nil)
	good(t, issuer, text) // that others lost patience says nothing about the issuer
}

// slowly lets a server answer when release is closed, and tells of each request
// that arrives.
func slowly(s *tokentest.Server) (arrived chan struct{}, release func()) {
	arrived, free := make(chan struct{}, 100), make(chan struct{})
	s.Break(func(http.ResponseWriter, *http.Request) bool {
		arrived <- struct{}{}
		<-free
		return false
	})
	return arrived, sync.OnceFunc(func() { close(free) })
}

// Whoever has a token that looks like one of the issuer's can begin a question. That
// he goes away at once must not make another.
func TestThoseWhoDoNotWaitDoNotMakeTheGatewayAskAndAsk(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	issuer := newIssuer(t, s, c)
	arrived, release := slowly(s)
	t.Cleanup(release)
	text := s.JWT(map[string]any{"exp": c.in(time.Hour)})
	for range 5 {
		impatient, leave := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := issuer.Verify(impatient, text); err == nil || !strings.Contains(err.Error(), "context deadline exceeded") {
			t.Errorf("who does not wait is told %v", err)
		}
		leave()
	}
	<-arrived
	if n := len(arrived); n != 0 {
		t.Errorf("the issuer was asked %d times", 1+n)
	}
	release()
	good(t, issuer, text) // what they began is there for others
}

func TestNobodyWaitsForAnIssuerThatIsAwayWhileItsKeysAreAtHand(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	issuer := newIssuer(t, s, c)
	text := s.JWT(map[string]any{"exp": c.in(100 * time.Hour)})
	good(t, issuer, text)
	c.advance(16 * time.Minute)
	s.Break(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
	good(t, issuer, text) // this one has found out that the issuer is away

	c.advance(2 * time.Second)
	_, release := slowly(s)
	t.Cleanup(release)
	told := make(chan error, 1)
	go func() {
		_, err := issuer.Verify(t.Context(), text)
		told <- err
	}()
	select {
	case err := <-told:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(3 * time.Second):
		t.Error("it waits for the issuer")
		release()
		<-told
	}
}

func TestAnIssuerThatIsClosedAsksNobody(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	issuer := newIssuer(t, s, c)
	issuer.Close()
	unknown(t, issuer, s.JWT(map[string]any{"exp": c.in(time.Hour)}), "token: the issuer's keys: context canceled")
	if n := s.Asked("/keys"); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
}
