package operations_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/operations"
)

// reading and changing are the routes of each kind, and some that people try.
var (
	reading = []string{
		"/version", "/metrics", "/v1/tail?follow=false", "/v1/events?id=x", "/v1/events/x", "/v1/ledger", "/v1/deadletters", "/v1/deadletters/1",
		"/v1/replays", "/v1/replays/x", "/", "/nowhere", "/admin", "/admin/", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/.env",
	}
	changing = map[string]string{
		"/v1/deadletters/retry": http.MethodPost, "/v1/deadletters/drop": http.MethodPost, "/v1/replays": http.MethodPost, "/v1/replays/x": http.MethodDelete,
	}
)

// spoofed are headers that prove nothing, whatever a proxy would mean by them.
var spoofed = map[string]string{
	"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Forwarded-Host": "localhost",
	"X-Goog-Authenticated-User-Email": "accounts.google.com:admin@example.com", "X-Forwarded-User": "admin", "X-Remote-User": "admin",
	"X-Original-Url": "/health", "X-Rewrite-Url": "/health", "X-Http-Method-Override": "GET", "X-Forwarded-Client-Cert": "Subject=admin", "Cookie": "token=admin",
	"X-Api-Key": "admin-token", "Proxy-Authorization": "Bearer admin-token",
}

// asked sends a request with every spoofed header.
func asked(h http.Handler, method, path, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://book.internal"+path, strings.NewReader("{}"))
	r.RemoteAddr = "127.0.0.1:4711"
	for name, value := range spoofed {
		r.Header.Set(name, value)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestR27 asks every route of the operations listener in every role.
func TestR27EveryRouteOfOperationsAsksForARole(t *testing.T) {
	var told []string
	h := deadRoutesWith(t, &shelf{}, operations.Guard{
		Token: "admin-token", Read: "read-token", Refused: func(_ *http.Request, reason string) { told = append(told, reason) },
	})
	for name, c := range map[string]struct {
		authorization string
		reads         bool
		changes       int // status; 0 = let through
		reason        string
	}{
		"nobody":                 {"", false, 401, "missing_credentials"},
		"a blank":                {"Bearer ", false, 401, "unknown_credentials"},
		"a caller's key":         {"Bearer dbk_0123456789", false, 401, "unknown_credentials"},
		"half a token":           {"Bearer admin", false, 401, "unknown_credentials"},
		"the token as a user":    {"Basic YWRtaW4tdG9rZW46", false, 401, "unknown_credentials"},
		"both tokens":            {"Bearer read-token admin-token", false, 401, "unknown_credentials"},
		"a reader":               {"Bearer read-token", true, 403, "read_only_token"},
		"an administrator":       {"Bearer admin-token", true, 0, ""},
		"the scheme in capitals": {"BEARER admin-token", true, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			told = nil
			for _, path := range reading {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					w := asked(h, method, path, c.authorization)
					if opened := w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden; opened != c.reads {
						t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
					}
					if !c.reads && w.Body.Len() > 200 {
						t.Errorf("%s %s says much to a stranger: %s", method, path, w.Body)
					}
				}
			}
			for path, method := range changing {
				w := asked(h, method, path, c.authorization)
				if through := w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden; through != (c.changes == 0) || c.changes != 0 && w.Code != c.changes {
					t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
				}
			}
			for _, reason := range told {
				if reason != c.reason {
					t.Errorf("told of %s, want %s", reason, c.reason)
				}
			}
			if c.reason != "" && len(told) == 0 {
				t.Error("nobody is told of the refusals")
			}
		})
	}
}

func TestReadersReadBesideTheTokenThatWasMade(t *testing.T) {
	h := deadRoutesWith(t, &shelf{}, operations.Guard{Read: "read-token", Changes: "made"})
	for authorization, want := range map[string][2]int{
		"":                  {401, 401},
		"Bearer read-token": {200, 403},
		"Bearer made":       {200, 200},
	} {
		if w := asked(h, http.MethodGet, "/v1/deadletters", authorization); w.Code != want[0] {
			t.Errorf("%q reads: %d, want %d", authorization, w.Code, want[0])
		}
		if w := asked(h, http.MethodPost, "/v1/deadletters/drop", authorization); w.Code == 401 != (want[1] == 401) || w.Code == 403 != (want[1] == 403) {
			t.Errorf("%q changes: %d, want %d", authorization, w.Code, want[1])
		}
	}
}
