package logevent_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
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

// TestADestinationHasLessTimeThanTheCaller: without the answer that the event is
// stored the caller would time out, try again, and store it twice. How much less
// is package accept's to test; here, that every protocol's deadline gets there.
func TestADestinationHasLessTimeThanTheCaller(t *testing.T) {
	for name, c := range map[string]struct {
		body, want string
		headers    []string
	}{
		"Connect JSON": {event(""), "unavailable", []string{"Content-Type", "application/json", "Connect-Timeout-Ms", "60000"}},
		"Connect JSON through connect-go": {
			event(""), "unavailable",
			[]string{"Content-Type", "application/json; charset=UTF-8", "Connect-Timeout-Ms", "60000"},
		},
		"Connect proto": {field(nameField, "a"), "unavailable", []string{"Content-Type", "application/proto", "Connect-Timeout-Ms", "60000"}},
		"gRPC":          {framed(0, field(nameField, "a")), "14", []string{"Content-Type", "application/grpc", "Te", "trailers", "Grpc-Timeout", "1M"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			var callers, destinations time.Time
			inner := g.Accept
			g.Accept = func(ctx context.Context, b accept.Batch) []daybook.Outcome {
				callers, _ = ctx.Deadline()
				return inner(ctx, b)
			}
			g.forwardTo(&destination{write: func(ctx context.Context, _ []daybook.Event) error {
				destinations, _ = ctx.Deadline()
				return context.DeadlineExceeded
			}})
			g.accepter.Destinations[0].Within = time.Hour
			if got := g.listen(t).raw(t, c.body, c.headers...); got != c.want {
				t.Errorf("answered %q, want %q", got, c.want)
			}
			if callers.IsZero() || !destinations.Before(callers) {
				t.Errorf("the caller waits until %v, the destination has until %v", callers, destinations)
			}
		})
	}
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
