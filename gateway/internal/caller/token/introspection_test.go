package token_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"daybook.dev/gateway/internal/caller/token"
	"daybook.dev/gateway/internal/caller/token/tokentest"
)

func TestAServerSaysWhatATokenStandsFor(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	i := newIntrospection(t, s, c, "tier")
	s.Opaque("t/1+&", map[string]any{"sub": "gateway", "client_id": "c1", "scope": "a::b::c", "aud": "daybook", "exp": c.in(time.Hour), "tier": "gold"})
	got := good(t, i, "t/1+&")
	if !got.Introspected || got.Subject != "gateway" || got.Client != "c1" || strings.Join(got.Scopes, " ") != "a::b::c" || strings.Join(got.Audience, " ") != "daybook" ||
		got.Expires.Unix() != c.in(time.Hour) || got.Other["tier"][0] != "gold" {
		t.Errorf("claims are %+v", got)
	}
	refused(t, i, "nobody's", "is not active")
	refused(t, i, strings.Repeat("A", 16<<10+1), "has more than 16 KiB")
	s.Opaque("old", map[string]any{"exp": c.in(-time.Hour)})
	refused(t, i, "old", "has expired")
	s.Opaque("endless", map[string]any{"sub": "x"})
	if got := good(t, i, "endless"); !got.Expires.IsZero() {
		t.Errorf("claims are %+v", got)
	}
}

func TestAServerThatCannotSayIsNotARefusal(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	s.Opaque("canary-token", map[string]any{"sub": "x"})
	status := func(code int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Location", "http://else.where/")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	for _, broken := range []struct {
		name, why string
		answer    func(http.ResponseWriter, *http.Request) bool
	}{
		{"an outage", "token: introspection: status 503", status(503, "canary-token")},
		{"our own password refused", "status 401: the server does not accept the gateway's own credentials", status(401, "")},
		{"a redirect", "status 307", status(307, "")},
		{"no JSON", "the answer cannot be read", status(200, "<html>canary-token")},
		{"JSON of another shape", "the answer cannot be read", status(200, `["canary-token"]`)},
		{"an answer without end", "the answer has more than 256 KiB", status(200, strings.Repeat(" ", 1<<20))},
		{"a broken connection", "EOF", func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }},
	} {
		t.Run(broken.name, func(t *testing.T) {
			s.Break(broken.answer)
			unknown(t, newIntrospection(t, s, c), "canary-token", broken.why)
		})
	}
	s.Break(nil)
	wrong := token.NewIntrospection(token.IntrospectionOptions{URL: s.URL + tokentest.IntrospectionPath, ClientID: "x", ClientSecret: "canary-2"})
	t.Cleanup(wrong.Close)
	unknown(t, wrong, "canary-token", "does not accept the gateway's own credentials")
}

func TestAWaitForAServerEndsWithTheRequest(t *testing.T) {
	s, c := tokentest.New(t), newClock()
	i := newIntrospection(t, s, c)
	ctx, cancel := context.WithCancel(t.Context())
	s.Break(func(_ http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done()
		return true
	})
	if _, err := i.Verify(ctx, "slow"); err == nil || err.Error() != "token: introspection: context canceled" {
		t.Errorf("error is %v", err)
	}
}

func TestServersAreAskedOverTLSOrOnThisMachine(t *testing.T) {
	for address, want := range map[string]string{
		"https://accounts.example.com":      "",
		"https://accounts.example.com/a?b":  "",
		"http://127.0.0.1:9000/introspect":  "",
		"http://[::1]:9000":                 "",
		"http://localhost:9000":             "",
		"http://accounts.example.com":       "must begin with https://",
		"http://127.0.0.1.example.com":      "must begin with https://",
		"ftp://accounts.example.com":        "must begin with https://",
		"accounts.example.com":              "is not an absolute URL",
		"":                                  "is not an absolute URL",
		"https://ann:secret@example.com":    "must not hold a user or password",
		"https://accounts.example.com/#top": "must not hold a fragment",
	} {
		err := token.CheckURL(address)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
}
