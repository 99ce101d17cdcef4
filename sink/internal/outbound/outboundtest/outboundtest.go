// Package outboundtest is what every sink that speaks HTTP has to get through:
// the faults of a destination (R13), addresses that lead where nobody meant to
// go (R29), and answers that repeat what they were sent (R30).
package outboundtest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/sink/sinktest"
)

// A Case is a sink under test.
type Case struct {
	// Open opens the sink for an address, with timeout for each attempt.
	Open func(url string, timeout time.Duration, allowPrivate bool) (daybook.Sink, error)

	// Good answers as a destination that has taken what it was sent.
	Good http.HandlerFunc

	// Want is what a fault means for this sink where it is not what the
	// fault's own row says; OK is success.
	Want map[string]daybook.Code

	// Secrets are what the sink is configured with and no error may show.
	Secrets []string
}

// attempt is the time of one attempt at a destination that does not answer.
// One that does answer has prompt time, which only a slow machine needs.
const (
	attempt = 300 * time.Millisecond
	prompt  = time.Minute
)

// Faults runs a test for each fault: its error has the right class and wait,
// comes in time and shows nothing; and the same sink works once it is over.
func (c Case) Faults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) { c.fault(t, f) })
	}
	t.Run("the destination answers and is gone", c.testGone)
	t.Run("Close leaves no connection", c.testNoConnection)
}

func (c Case) fault(t *testing.T, f fault) {
	server := serve(t, f.serve)
	want := f.code
	if code, ok := c.Want[f.name]; ok {
		want = code
	}
	timeout := prompt
	if f.silent && want != daybook.OK { // what succeeds does not wait for the rest
		timeout = attempt
	}
	s := c.open(t, server.URL, timeout)
	start := time.Now()
	err := s.Write(t.Context(), []daybook.Event{sinktest.Event("e")})
	if took := time.Since(start); took > prompt {
		t.Errorf("Write took %v", took)
	}
	if got := daybook.CodeOf(err); got != want {
		t.Fatalf("error is %v (%v), want code %v", err, got, want)
	}
	if err != nil {
		sinktest.CheckText(t, err, c.Secrets...)
		checkWait(t, err, f.wait)
	}
	if n := server.requests.Load(); f.once && n != 1 {
		t.Errorf("%d requests were made, want 1", n)
	}
	server.become(c.Good)
	until := time.Now().Add(prompt)
	for err = errors.New("not tried"); err != nil; { // attempts may be short here
		err = s.Write(t.Context(), []daybook.Event{sinktest.Event("e")})
		if err != nil && time.Now().After(until) {
			t.Fatalf("when it is over: %v", err)
		}
	}
}

// Canaries sends events to destinations that repeat what they were sent, in all
// ways they have, and looks for it in the errors.
func (c Case) Canaries(t *testing.T) {
	const user, password, path, query = "user-1f6b", "password-2f6b", "path-3f6b", "query-4f6b"
	for _, f := range faults {
		if f.silent {
			continue
		}
		server := serve(t, f.serve)
		url := strings.Replace(server.URL, "://", "://"+user+":"+password+"@", 1) + "/" + path + "?" + query
		s, err := c.Open(url, prompt, true)
		if err != nil { // a sink may refuse such an address
			sinktest.CheckText(t, err, user, password, query)
			s = c.open(t, server.URL, prompt)
		} else {
			t.Cleanup(func() { s.Close(context.Background()) })
		}
		if err := s.Write(t.Context(), sinktest.Events("e", 3)); err != nil {
			sinktest.CheckText(t, err, append(c.Secrets, user, password, path, query)...)
		}
	}
}

// testGone is a destination that takes one Write and never listens again.
func (c Case) testGone(t *testing.T) {
	server := serve(t, c.Good)
	s := c.open(t, server.URL, prompt)
	if err := s.Write(t.Context(), []daybook.Event{sinktest.Event("first")}); err != nil {
		t.Fatal(err)
	}
	server.stop()
	err := s.Write(t.Context(), []daybook.Event{sinktest.Event("second")})
	if code := daybook.CodeOf(err); code != daybook.Unavailable {
		t.Errorf("error is %v (%v), want unavailable", err, code)
	}
}

// testNoConnection wants the server to see its connection end.
func (c Case) testNoConnection(t *testing.T) {
	server := serve(t, c.Good)
	s, err := c.Open(server.URL, prompt, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), []daybook.Event{sinktest.Event("e")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.closed:
	case <-time.After(prompt):
		t.Error("the connection is still there")
	}
}

func (c Case) open(t *testing.T, url string, timeout time.Duration) daybook.Sink {
	t.Helper()
	s, err := c.Open(url, timeout, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), prompt)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error("Close:", err)
		}
	})
	return s
}

// checkWait looks for the wait that a destination has asked for.
func checkWait(t *testing.T, err error, want time.Duration) {
	t.Helper()
	if got := waitOf(err); got != want {
		t.Errorf("the error says to wait %v, want %v", got, want)
	}
}

// Unreachable is an address that nobody listens on.
func Unreachable(t *testing.T) string {
	server := httptest.NewServer(nil)
	server.Close()
	return server.URL
}
