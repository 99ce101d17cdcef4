package operations_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/operations"
	"daybook.dev/gateway/internal/query/querytest"
)

var metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("daybook_build_info 1\n")) })

// routes returns the routes of a gateway that is well.
func routes(g operations.Guard) http.Handler {
	return operations.New(operations.Options{
		Ready:   func(context.Context) error { return nil },
		Events:  &querytest.Memory{},
		Metrics: metrics,
		Version: map[string]string{"version": "1.2.3"},
		Guard:   g,
	})
}

// get asks for path under a host name, with headers given as name, value.
func get(h http.Handler, path, host string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = host
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTheRoutesAnswer(t *testing.T) {
	h := routes(operations.Guard{Host: "127.0.0.1"})
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/health":       {200, "ok\n"},
		"/healthz":      {200, "ok\n"},
		"/ready":        {200, "ready\n"},
		"/readyz":       {200, "ready\n"},
		"/version":      {200, `{"version":"1.2.3"}` + "\n"},
		"/metrics":      {200, "daybook_build_info 1\n"},
		"/nowhere":      {404, `{"code":"unimplemented","message":"no such route; there are /health, /ready, /version, /metrics, /v1/tail, /v1/events, /v1/ledger, /v1/deadletters and /v1/replays"}` + "\n"},
		"/v1/tail?n=-1": {400, `{"code":"invalid","message":"n: \"-1\" is not a number of events"}` + "\n"},
	} {
		if w := get(h, path, "127.0.0.1:8081"); w.Code != want.status || w.Body.String() != want.body {
			t.Errorf("%s: %d %q, want %d %q", path, w.Code, w.Body, want.status, want.body)
		}
	}
}

func TestReadySaysWhyNot(t *testing.T) {
	mux := http.NewServeMux()
	operations.Probes(mux, func(context.Context) error { return errors.New("the disk is full") })
	if w := get(mux, "/ready", "x"); w.Code != http.StatusServiceUnavailable || w.Body.String() != "not ready: the disk is full\n" {
		t.Errorf("/ready: %d %q", w.Code, w.Body)
	}
	if w := get(mux, "/health", "x"); w.Code != http.StatusOK {
		t.Errorf("/health: %d: a full disk is no reason to restart", w.Code)
	}
}

func TestForeignHostsAndOriginsAreRefused(t *testing.T) {
	local := routes(operations.Guard{Host: "127.0.0.1"})
	named := routes(operations.Guard{Host: "book.internal", Token: "t"})
	everywhere := routes(operations.Guard{Token: "t"})
	forgotten := routes(operations.Guard{}) // every interface and no token: start-up refuses it, and so does the guard
	for _, test := range []struct {
		name   string
		h      http.Handler
		host   string
		origin string
		want   int
	}{
		{"loopback", local, "127.0.0.1:8081", "", 200},
		{"loopback by name", local, "localhost:8081", "", 200},
		{"loopback in IPv6", local, "[::1]:8081", "", 200},
		{"another loopback address, no port", local, "127.8.8.8", "", 200},
		{"a rebound name", local, "evil.example:8081", "", 403},
		{"a name that begins like ours", local, "localhost.evil.example", "", 403},
		{"no name", local, "", "", 403},
		{"an address of elsewhere", local, "10.0.0.1:8081", "", 403},
		{"its own page", local, "localhost:8081", "http://localhost:8081", 200},
		{"a page of another port", local, "localhost:8081", "http://localhost:3000", 403},
		{"a page of another site", local, "localhost:8081", "https://evil.example", 403},
		{"a page without an origin", local, "localhost:8081", "null", 403},
		{"the configured name", named, "BOOK.internal:8081", "", 200},
		{"another name than the configured", named, "other.internal:8081", "", 403},
		{"any name on every interface with a token", everywhere, "pod-7:8081", "", 200},
		{"any name without a token", forgotten, "pod-7:8081", "", 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			headers := []string{"Authorization", "Bearer t"}
			if test.origin != "" {
				headers = append(headers, "Origin", test.origin)
			}
			if w := get(test.h, "/version", test.host, headers...); w.Code != test.want {
				t.Errorf("status %d, want %d: %s", w.Code, test.want, w.Body)
			}
		})
	}
}

func TestOnlyTheTokenOpensAListenerThatHasOne(t *testing.T) {
	h := routes(operations.Guard{Token: "right"})
	for authorization, want := range map[string]int{
		"Bearer right": 200, "bearer right": 200, "Bearer  right": 200,
		"": 401, "Bearer": 401, "Bearer ": 401, "Bearer wrong": 401, "Bearer righ": 401, "Bearer rightt": 401,
		"right": 401, "Basic right": 401, "Basic OnJpZ2h0": 401,
	} {
		for _, path := range []string{"/version", "/metrics", "/v1/tail?follow=false", "/nowhere"} {
			w := get(h, path, "x", "Authorization", authorization)
			if opened := w.Code != http.StatusUnauthorized; opened != (want == 200) {
				t.Errorf("%s with %q: %d", path, authorization, w.Code)
			}
			if w.Code == http.StatusUnauthorized && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s: the answer does not say what to send", path)
			}
		}
	}
	for _, path := range []string{"/health", "/ready", "/healthz", "/readyz"} {
		if w := get(h, path, "pod-7"); w.Code != http.StatusOK {
			t.Errorf("%s asks for a token: %d", path, w.Code)
		}
	}
}
