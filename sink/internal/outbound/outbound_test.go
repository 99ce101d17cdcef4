package outbound_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/internal/need"
	"daybook.dev/sink/internal/outbound"
	"daybook.dev/sink/internal/outbound/outboundtest"
	"daybook.dev/sink/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

const password = "password-7c2e"

// poster is the least sink that posts something.
type poster struct{ *outbound.Client }

func (p poster) Write(ctx context.Context, events []daybook.Event) error {
	ctx, leave, err := p.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if len(events) == 0 {
		return nil
	}
	_, err = p.Post(ctx, http.Header{"Authorization": {password}}, events[0].Metadata)
	return err
}

func open(url string, timeout time.Duration, allowPrivate bool) (daybook.Sink, error) {
	client, err := outbound.Open(outbound.Options{Where: "poster", URL: url, Timeout: timeout, AllowPrivate: allowPrivate})
	if err != nil {
		return nil, err
	}
	return poster{client}, nil
}

var poster200 = outboundtest.Case{Open: open, Good: func(http.ResponseWriter, *http.Request) {}, Secrets: []string{password}}

func TestR13Faults(t *testing.T)    { poster200.Faults(t) }
func TestR29Addresses(t *testing.T) { poster200.Addresses(t) }
func TestR30Canaries(t *testing.T)  { poster200.Canaries(t) }

func TestNoProxyIsAsked(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy"} {
		t.Setenv(name, "http://127.0.0.1:9")
	}
	server := httptest.NewServer(poster200.Good)
	defer server.Close()
	// Go never asks a proxy for this machine itself, whatever the environment
	// says; a name makes no such exception, so what counts is the transport.
	transport := outbound.HTTP(true).Transport
	if p, ok := transport.(interface {
		Proxied(*http.Request) bool
	}); !ok || p.Proxied(httptest.NewRequest(http.MethodPost, "http://example.com", nil)) {
		t.Error("a proxy would be asked")
	}
}

func TestWhatOfAnAddressIsShown(t *testing.T) {
	const user, secret, path, query = "user-1f", "secret-2f", "path-3f", "query-4f"
	address := strings.Replace(outboundtest.Unreachable(t), "://", "://"+user+":"+secret+"@", 1) + "/" + path + "?key=" + query
	s, err := open(address, time.Minute, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	err = s.Write(t.Context(), []daybook.Event{sinktest.Event("e")})
	if err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:") {
		t.Errorf("the error does not say where: %v", err)
	}
	sinktest.CheckText(t, err, user, secret, path, query)

	t.Run("an address that cannot be one is not repeated", func(t *testing.T) {
		for _, bad := range []string{
			"", "x", "ftp://user-1f@host/", "http://", "http://:80", "https://user-1f:secret-2f@", "http://host:/", "http://host/#query-4f",
			"http://user-1f\x7f@host/", "http://[::1", "http://ho st/", "/path-3f", "host:80/path-3f", "http://host:99999999999/path-3f%zz",
		} {
			_, err := open(bad, 0, false)
			e, _ := errors.AsType[*daybook.Error](err)
			if e == nil || e.Code != daybook.Invalid || e.Where != "poster" || e.Field != "url" {
				t.Fatalf("%q: error is %v, want an invalid url", bad, err)
			}
			sinktest.CheckText(t, err, user, secret, path, query)
		}
	})
}

func TestTheUserOfAnAddressIsSent(t *testing.T) {
	var user, pass string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { user, pass, _ = r.BasicAuth() }))
	defer server.Close()
	client, err := outbound.Open(outbound.Options{URL: strings.Replace(server.URL, "://", "://ann:secret@", 1), AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	if _, err := client.Post(t.Context(), http.Header{}, nil); err != nil || user != "ann" || pass != "secret" {
		t.Errorf("user %q, password %q, %v", user, pass, err)
	}
}

func TestACertificateThatProvesNothingCallsForAPerson(t *testing.T) {
	server := httptest.NewUnstartedServer(poster200.Good)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	s, err := open(server.URL, time.Minute, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if err := s.Write(t.Context(), []daybook.Event{sinktest.Event("e")}); daybook.CodeOf(err) != daybook.Denied {
		t.Errorf("error is %v (%v), want denied", err, daybook.CodeOf(err))
	}
}

func TestAConnectionIsUsedAgain(t *testing.T) {
	for name, reply := range map[string]int{"nothing": 0, "a little": 1000, "as much as is drained": 60_000} {
		t.Run("when the answer says "+name, func(t *testing.T) {
			var mu sync.Mutex
			connections := 0
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Write(make([]byte, reply))
			}))
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				mu.Lock()
				defer mu.Unlock()
				if state == http.StateNew {
					connections++
				}
			}
			server.Start()
			defer server.Close()
			s, err := open(server.URL, 0, true)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close(t.Context())
			for range 5 {
				if err := s.Write(t.Context(), []daybook.Event{sinktest.Event("e")}); err != nil {
					t.Fatal(err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if connections != 1 {
				t.Errorf("%d connections were made, want 1", connections)
			}
		})
	}
}

func TestTheReplyIsReadUpToItsLimit(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "0123456789") }))
	defer server.Close()
	client, err := outbound.Open(outbound.Options{URL: server.URL, AllowPrivate: true, Reply: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	if text, err := client.Post(t.Context(), http.Header{}, nil); err != nil || string(text) != "0123" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestCloseWaitsForRequestsUnderWay(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(arrived)
		<-answer
	}))
	defer server.Close()
	s, err := open(server.URL, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	written, closed := make(chan error, 1), make(chan error, 1)
	go func() { written <- s.Write(t.Context(), []daybook.Event{sinktest.Event("e")}) }()
	<-arrived
	go func() { closed <- s.Close(t.Context()) }()
	for s.Write(t.Context(), nil) == nil { // until Close has begun
	}
	select {
	case err := <-closed:
		t.Errorf("Close did not wait: %v", err)
	default:
	}
	close(answer)
	if err := <-written; err != nil {
		t.Error("Write:", err)
	}
	if err := <-closed; err != nil {
		t.Error("Close:", err)
	}
}

func TestASuccessIsNotHeldUpByItsBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		<-r.Context().Done() // the rest never comes
	}))
	defer server.Close()
	s, err := open(server.URL, time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	start := time.Now()
	if err := s.Write(t.Context(), []daybook.Event{sinktest.Event("e")}); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}
