package intake_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"daybook.dev/gateway/internal/intake"
)

// stored answers as an intake would, and counts.
type stored struct{ requests int }

func (s *stored) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.requests++
	w.WriteHeader(http.StatusOK)
}

// ask sends a request with headers, as name and value, through the guard.
func ask(c *intake.CORS, method string, headers ...string) (w *httptest.ResponseRecorder, reached bool) {
	r := httptest.NewRequest(method, "http://gateway.example.com/v1/events", strings.NewReader(`{"event_name":"a"}`))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w = httptest.NewRecorder()
	var s stored
	c.Guard(&s).ServeHTTP(w, r)
	return w, s.requests == 1
}

func TestAPageMaySendOnlyFromAnAllowedOrigin(t *testing.T) {
	const app = "https://app.example.com"
	named, open, own := &intake.CORS{Origins: []string{app, "null"}}, &intake.CORS{Origins: []string{"*"}}, &intake.CORS{Loopback: true}
	for _, c := range []struct {
		name, origin string
		cors         *intake.CORS
		allowed      bool
	}{
		{"nobody is allowed", app, &intake.CORS{}, false},
		{"named", app, named, true},
		{"named, on another port", app + ":8443", named, false},
		{"named, without TLS", "http://app.example.com", named, false},
		{"named, with something before it", "https://evil-app.example.com", named, false},
		{"named, with something behind it", app + ".evil.com", named, false},
		{"named, in capitals, which no browser writes", "https://APP.example.com", named, false},
		{"a file, where files are named", "null", named, true},
		{"a file, where they are not", "null", own, false},
		{"any, where all are allowed", "https://anything.example", open, true},
		{"an empty one", "", open, true},
		{"an empty one, where some are allowed", "", named, false},
		{"this machine's name", "http://localhost:3000", own, true},
		{"a name below it", "http://app.localhost:3000", own, true},
		{"this machine's address", "http://127.0.0.1:5173", own, true},
		{"another of its addresses", "https://127.8.9.10", own, true},
		{"its address in IPv6", "http://[::1]:3000", own, true},
		{"this machine, where other machines reach the gateway", "http://localhost:3000", named, false},
		{"a name that begins like this machine's", "http://localhost.evil.com", own, false},
		{"a name that begins like its address", "http://127.0.0.1.evil.com", own, false},
		{"a name that hides it in the user", "http://localhost@evil.com", own, false},
		{"a page of a browser's extension", "chrome-extension://localhost", own, false},
		{"the gateway's own name: rebinding makes it anybody's", "http://gateway.example.com", own, false},
		{"an address in the local network", "http://192.168.1.10", own, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, kind := range []string{"text/plain;charset=UTF-8", "application/json", "application/x-www-form-urlencoded", ""} {
				w, reached := ask(c.cors, http.MethodPost, "Origin", c.origin, "Content-Type", kind)
				if reached != c.allowed || (w.Code == http.StatusForbidden) == c.allowed {
					t.Errorf("%q: status %d, reached %v; want allowed %v", kind, w.Code, reached, c.allowed)
				}
				if got := w.Header().Get("Access-Control-Allow-Origin"); (got != "") != c.allowed {
					t.Errorf("%q: the browser is told %q", kind, got)
				}
				if !slices.Contains(w.Header()["Vary"], "Origin") {
					t.Errorf("%q: a cache could give this answer to another page", kind)
				}
			}
		})
	}
}

func TestWhatIsRefusedSaysWhyAndIsCounted(t *testing.T) {
	var told []intake.Refusal
	c := &intake.CORS{Refused: func(r intake.Refusal) { told = append(told, r) }}
	w, _ := ask(c, http.MethodPost, "Origin", "https://evil.example")
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `"code":"denied","reason":"origin_not_allowed"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if strings.Contains(w.Body.String(), "evil") {
		t.Error("the answer repeats what was sent")
	}
	if len(told) != 1 || told[0].Err.Reason != intake.ReasonOriginNotAllowed {
		t.Errorf("told %+v", told)
	}
}

func TestTwoOriginsAreNone(t *testing.T) {
	c := &intake.CORS{Origins: []string{"https://a.example"}, Loopback: true}
	if w, reached := ask(c, http.MethodPost, "Origin", "https://a.example", "Origin", "http://localhost"); reached {
		t.Errorf("status %d, and the request got through", w.Code)
	}
}

func TestProgramsAreNotConcerned(t *testing.T) {
	w, reached := ask(&intake.CORS{}, http.MethodPost, "Content-Type", "text/plain")
	if !reached {
		t.Errorf("status %d", w.Code)
	}
	for name := range w.Header() {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("a program is told %s", name)
		}
	}
}

func TestAPreflightIsAnsweredAndGoesNoFurther(t *testing.T) {
	c := &intake.CORS{Origins: []string{"https://app.example.com"}, MaxAge: time.Hour}
	w, reached := ask(c, http.MethodOptions, "Origin", "https://app.example.com", "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "Content-Type, ce-id,ce-mytenant,x-goog-authenticated-user-email,ce-bad\theader",
		"Access-Control-Request-Private-Network", "true")
	if reached || w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("status %d, reached %v, body %q", w.Code, reached, w.Body)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":          "https://app.example.com",
		"Access-Control-Allow-Credentials":     "true",
		"Access-Control-Allow-Methods":         "POST, GET",
		"Access-Control-Max-Age":               "3600",
		"Access-Control-Allow-Private-Network": "true",
		"Vary":                                 "Origin",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	allowed := strings.Split(w.Header().Get("Access-Control-Allow-Headers"), ", ")
	for _, name := range []string{"authorization", "content-type", "content-encoding", "ce-id", "ce-mytenant"} {
		if !slices.Contains(allowed, name) {
			t.Errorf("%s may not be sent: %q", name, allowed)
		}
	}
	for _, name := range allowed {
		if strings.HasPrefix(name, "x-goog") || strings.Contains(name, "bad") {
			t.Errorf("%s may be sent", name)
		}
	}
	t.Run("one of another origin is refused", func(t *testing.T) {
		w, reached := ask(c, http.MethodOptions, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
		if reached || w.Code != http.StatusForbidden || w.Header().Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("status %d, reached %v, headers %v", w.Code, reached, w.Header())
		}
	})
	t.Run("without a method it is no preflight", func(t *testing.T) {
		if _, reached := ask(c, http.MethodOptions, "Origin", "https://app.example.com"); !reached {
			t.Error("it was answered as one")
		}
	})
}

// Credentials that a browser holds must never go with a permission for all.
func TestCredentialsGoOnlyWithAnOriginThatWasNamed(t *testing.T) {
	c := &intake.CORS{Origins: []string{"*", "https://app.example.com"}}
	for origin, credentials := range map[string]string{"https://app.example.com": "true", "https://other.example": ""} {
		w, _ := ask(c, http.MethodPost, "Origin", origin)
		if got := w.Header().Get("Access-Control-Allow-Credentials"); got != credentials {
			t.Errorf("%s: credentials %q, want %q", origin, got, credentials)
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); (got == "*") == (credentials == "true") {
			t.Errorf("%s: allowed as %q", origin, got)
		}
	}
}

func TestWhatAPageMayReadOfAnAnswerIsNamed(t *testing.T) {
	w, _ := ask(&intake.CORS{Loopback: true}, http.MethodPost, "Origin", "http://localhost:3000")
	for _, name := range []string{intake.DurabilityHeader, intake.RequestIDHeader, "Retry-After"} {
		if !strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), name) {
			t.Errorf("a page may not read %s", name)
		}
	}
}
