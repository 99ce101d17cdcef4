package daybook_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook.dev"
)

// resetsMidBody promises more than it sends and cuts the connection.
func resetsMidBody(w http.ResponseWriter, _ []map[string]any) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"durability":"fsync","results":[{"index":0,`)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func closesWithoutAnswer(http.ResponseWriter, []map[string]any) { panic(http.ErrAbortHandler) }

func answersForever(w http.ResponseWriter, _ []map[string]any) {
	chunk := strings.Repeat(" ", 64<<10)
	for {
		if _, err := io.WriteString(w, chunk); err != nil {
			return
		}
	}
}

func TestGatewayFaultsHaveCodes(t *testing.T) {
	date := time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat)
	const whole = `{"durability":"none","results":[],"code":"x","reason":"body_too_large","message":"the body is over 16 MiB"}`
	for _, c := range []struct {
		name       string
		answer     step
		code       daybook.Code
		reason     string
		says       string
		retryAfter time.Duration // at most; at least 5s less
	}{
		{"401", answers(401, ""), daybook.Unauthenticated, "http_401", "401 Unauthorized", 0},
		{"403", answers(403, "no"), daybook.Denied, "http_403", "403", 0},
		{"413 with a reason", answers(413, whole), daybook.TooLarge, "body_too_large", "the body is over 16 MiB", 0},
		{"429 with seconds", answers(429, "", "Retry-After", "7"), daybook.Exhausted, "http_429", "", 7 * time.Second},
		{"429 with a date", answers(429, "", "Retry-After", date), daybook.Exhausted, "http_429", "", 30 * time.Second},
		{"429 with an absurd wait", answers(429, "", "Retry-After", "99999999999999999999"), daybook.Exhausted, "http_429", "", time.Hour},
		{"429 with a negative wait", answers(429, "", "Retry-After", "-99999999999999999999"), daybook.Exhausted, "http_429", "", 0},
		{"429 with nonsense", answers(429, "", "Retry-After", "soon"), daybook.Exhausted, "http_429", "", 0},
		{"500", answers(500, "<html>"), daybook.Unavailable, "http_500", "500 Internal Server Error", 0},
		{"503 from a proxy", answers(503, `{"code":"invalid"}`), daybook.Unavailable, "http_503", "", 0},
		{"404", answers(404, "page not found"), daybook.Unimplemented, "http_404", "is it a Daybook gateway?", 0},
		{"a redirect is not followed", answers(302, "", "Location", "/elsewhere"), daybook.Unimplemented, "http_302", "302 Found", 0},
		{"200 with a page", answers(200, "<html>welcome to the hotel</html>"), daybook.Unavailable, "bad_reply", "without results", 0},
		{"200 with nothing", answers(200, ""), daybook.Unavailable, "bad_reply", "", 0},
		{"too few results", answers(200, `{"durability":"fsync","results":[{"index":0,"status":"stored"}]}`), daybook.Unavailable, "bad_reply", "1 results for 2 events", 0},
		{"one index twice", answers(200, `{"durability":"fsync","results":[{"index":0,"status":"stored"},{"index":0,"status":"stored"}]}`), daybook.Unavailable, "bad_reply", "index 0", 0},
		{"an index outside", answers(200, `{"durability":"fsync","results":[{"index":0,"status":"stored"},{"index":2,"status":"stored"}]}`), daybook.Unavailable, "bad_reply", "index 2", 0},
		{"reset in the middle of the reply", resetsMidBody, daybook.Unavailable, "no_answer", "", 0},
		{"closed without an answer", closesWithoutAnswer, daybook.Unavailable, "no_answer", "", 0},
		{"a reply without end", answersForever, daybook.Unavailable, "bad_reply", "longer", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newFakeGateway(t, c.answer).open(t, daybook.GatewayOptions{})

			outcomes, err := send(t, s, named("a", "b")...)

			if outcomes != nil {
				t.Errorf("outcomes %v, want none: nobody knows", outcomes)
			}
			e, ok := errors.AsType[*daybook.Error](err)
			if !ok {
				t.Fatalf("error %v, want an *Error", err)
			}
			if e.Code != c.code || e.Reason != c.reason || !strings.Contains(e.Error(), c.says) {
				t.Errorf("got %v %s %q, want %v %s …%s…", e.Code, e.Reason, e, c.code, c.reason, c.says)
			}
			if e.RetryAfter > c.retryAfter || e.RetryAfter < c.retryAfter-5*time.Second {
				t.Errorf("retry after %v, want %v", e.RetryAfter, c.retryAfter)
			}
		})
	}
}

func TestGatewayWithoutListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	l.Close()
	s, err := daybook.Gateway(address, daybook.GatewayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = send(t, s, named("a")...)
	e, ok := errors.AsType[*daybook.Error](err)
	if !ok || e.Code != daybook.Unavailable || e.Reason != "unreachable" || !strings.Contains(e.Error(), address) {
		t.Errorf("error %v, want one that names %s", err, address)
	}
}

// newHangingGateway returns a gateway that says on arrived that a request has
// come, and then nothing more.
func newHangingGateway(t *testing.T) (g *fakeGateway, arrived chan struct{}) {
	arrived, release := make(chan struct{}, 8), make(chan struct{})
	g = newFakeGateway(t, func(http.ResponseWriter, []map[string]any) {
		arrived <- struct{}{}
		<-release
	})
	t.Cleanup(func() { close(release) }) // closing the server waits for its handlers
	return g, arrived
}

func TestGatewayHangs(t *testing.T) {
	g, arrived := newHangingGateway(t)

	t.Run("close waits as long as it may and then ends the attempt", func(t *testing.T) {
		s := g.open(t, daybook.GatewayOptions{})
		sent := make(chan error)
		go func() { _, err := s.Send(context.Background(), named("a")); sent <- err }()
		<-arrived
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close returned %v", err)
		}
		if err := <-sent; daybook.CodeOf(err) != daybook.Unavailable {
			t.Errorf("Send returned %v", err)
		}
	})
	t.Run("an attempt ends with its timeout", func(t *testing.T) {
		s := g.open(t, daybook.GatewayOptions{Timeout: 10 * time.Millisecond})
		_, err := send(t, s, named("a")...)
		if daybook.CodeOf(err) != daybook.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("an attempt ends with the caller's context", func(t *testing.T) {
		s := g.open(t, daybook.GatewayOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := s.Send(ctx, named("a"))
		if daybook.CodeOf(err) != daybook.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestGatewayCloseWaitsForSends(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	g := newFakeGateway(t, func(w http.ResponseWriter, events []map[string]any) {
		close(arrived)
		<-release
		stored(w, events)
	})
	s := g.open(t, daybook.GatewayOptions{})
	var sending sync.WaitGroup
	sending.Go(func() {
		if _, err := s.Send(context.Background(), named("a")); err != nil {
			t.Errorf("the Send under way: %v", err)
		}
	})
	<-arrived
	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- s.Close(context.Background()) }()
	}
	for daybook.CodeOf(s.Write(t.Context(), nil)) == daybook.OK {
		// Close has not begun yet.
	}
	close(release)
	sending.Wait()
	for range 2 {
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := send(t, s, named("b")...); !errors.Is(err, daybook.ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
	if err := s.Write(t.Context(), nil); !errors.Is(err, daybook.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
}

func TestGatewayUsesTheClientItIsGiven(t *testing.T) {
	g := newFakeGateway(t, answers(302, "", "Location", "/elsewhere"), stored)
	var used int
	given := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		used++
		return http.DefaultTransport.RoundTrip(r)
	})}
	s := g.open(t, daybook.GatewayOptions{Client: given})
	if _, err := send(t, s, named("a")...); daybook.CodeOf(err) != daybook.Unimplemented || used != 1 {
		t.Errorf("a redirect gave %v after %d requests", err, used)
	}
	if given.CheckRedirect != nil {
		t.Error("the given client was changed")
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestGatewayRefusesAddressesAndKeysThatCannotBeRight(t *testing.T) {
	for _, address := range []string{"", "localhost:8080", "http://", "http://:8080", "ftp://host", "/v1/events", "http://u:secret@host", "http://host?x=1", "http://ho st", "http://host#top", "://"} {
		_, err := daybook.Gateway(address, daybook.GatewayOptions{})
		if daybook.CodeOf(err) != daybook.Invalid || !strings.Contains(err.Error(), "http://localhost:8080") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, key := range []string{"a b", "a\n", "ä", "\x00"} {
		_, err := daybook.Gateway("http://host", daybook.GatewayOptions{Key: key})
		if daybook.CodeOf(err) != daybook.Invalid || strings.Contains(err.Error(), key) {
			t.Errorf("key %q: %v", key, err)
		}
	}
	if _, err := daybook.Gateway("https://host/prefix/", daybook.GatewayOptions{}); err != nil {
		t.Error(err)
	}
}
