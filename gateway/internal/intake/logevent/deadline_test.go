package logevent_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	eventsv1 "daybook.dev/gateway/internal/gen/events/v1"
	"daybook.dev/gateway/internal/intake/logevent"
)

// patient makes events wait for their caller's deadline, or for the caller to
// go away, before they reach the store.
func (g *gateway) patient() {
	inner := g.Accept
	g.Accept = func(ctx context.Context, b accept.Batch) []daybook.Outcome {
		<-ctx.Done()
		return inner(ctx, b)
	}
}

func TestADeadlineThatPassesBeforeTheEventIsQueuedStoresNothing(t *testing.T) {
	for name, c := range map[string]struct {
		body, want string
		headers    []string
	}{
		"Connect JSON": {event(""), "deadline_exceeded", []string{"Content-Type", "application/json", "Connect-Timeout-Ms", "10"}},
		"Connect JSON through connect-go": {
			event(""), "deadline_exceeded",
			[]string{"Content-Type", "application/json; charset=UTF-8", "Connect-Timeout-Ms", "10"},
		},
		"Connect proto": {field(nameField, "a"), "deadline_exceeded", []string{"Content-Type", "application/proto", "Connect-Timeout-Ms", "10"}},
		"gRPC":          {framed(0, field(nameField, "a")), "4", []string{"Content-Type", "application/grpc", "Te", "trailers", "Grpc-Timeout", "10m"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			g.patient()
			s := g.listen(t)
			if got := s.raw(t, c.body, c.headers...); got != c.want {
				t.Errorf("answered %q, want %q", got, c.want)
			}
			if n := len(g.store.Records()); n != 0 {
				t.Errorf("%d records stored", n)
			}
		})
	}
}

// TestTheAnswerThatItIsStoredComesBeforeTheCallersDeadline: without it the
// caller would time out, try again, and store the event twice.
func TestTheAnswerThatItIsStoredComesBeforeTheCallersDeadline(t *testing.T) {
	g := newGateway()
	g.forwardTo(&destination{write: func(ctx context.Context, _ []daybook.Event) error {
		<-ctx.Done()
		return ctx.Err()
	}})
	s := g.listen(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // less than the destination may take
	defer cancel()
	var calls sync.WaitGroup
	for name, client := range s.clients() {
		calls.Go(func() {
			_, err := client.CallUnary(ctx, connect.NewRequest(&eventsv1.LogEventRequest{EventName: "a"}))
			failure, ok := errors.AsType[*connect.Error](err)
			if !ok || failure.Code() != connect.CodeUnavailable || storedID(t, failure) == "" {
				t.Errorf("%s: answered %v", name, err)
			}
		})
	}
	calls.Wait()
}

func TestACallerWhoGoesAwayBeforeTheEventIsQueuedStoresNothing(t *testing.T) {
	for name, client := range map[string]func(*server) *rpcClient{
		"Connect JSON over HTTP/1.1": func(s *server) *rpcClient { return newClient(s.h1, s, connect.WithProtoJSON()) },
		"Connect JSON over HTTP/2":   func(s *server) *rpcClient { return newClient(s.h2, s, connect.WithProtoJSON()) },
		"gRPC":                       func(s *server) *rpcClient { return newClient(s.h2, s, connect.WithGRPC()) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			reached, answered := make(chan struct{}), make(chan []daybook.Outcome, 1)
			inner := g.Accept
			g.Accept = func(ctx context.Context, b accept.Batch) []daybook.Outcome {
				close(reached)
				<-ctx.Done()
				outcomes := inner(ctx, b)
				answered <- outcomes
				return outcomes
			}
			s := g.listen(t)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-reached; cancel() }()
			if _, err := client(s).CallUnary(ctx, connect.NewRequest(&eventsv1.LogEventRequest{EventName: "a"})); connect.CodeOf(err) != connect.CodeCanceled {
				t.Errorf("the caller sees %v", err)
			}
			if o := (<-answered)[0]; o.Status != daybook.Failed || len(g.store.Records()) != 0 {
				t.Errorf("outcome %+v, %d records stored", o, len(g.store.Records()))
			}
		})
	}
}

func TestACallerWhoGoesAwayLaterLosesOnlyTheAnswer(t *testing.T) {
	for _, contentType := range []string{"application/json", "application/json; charset=UTF-8"} {
		g := newGateway()
		to := &destination{}
		g.forwardTo(to)
		ctx, cancel := context.WithCancel(t.Context())
		g.store.Queued = cancel
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, logevent.Path, strings.NewReader(event("")))
		r.Header.Set("Content-Type", contentType)
		g.serve(r)
		if n := len(g.store.Records()); n != 2 || len(to.taken) != 1 {
			t.Errorf("%s: %d records, %d forwarded; want the event, its settlement, and 1", contentType, n, len(to.taken))
		}
	}
}
