package logevent_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/logevent"
	"daybook.dev/gateway/internal/store"
)

// A gateway is the service in front of a store that remembers, with ids and
// times that are the same in every run.
type gateway struct {
	logevent.Service
	store    *intaketest.Recorder
	accepter *accept.Accepter
	ids      atomic.Int64
	others   int64  // bytes of the budget that others hold
	remote   string // where requests come from
}

func newGateway() *gateway {
	g := &gateway{store: &intaketest.Recorder{}, remote: "127.0.0.1:4711"}
	g.accepter = &accept.Accepter{
		Admit: &admit.Admitter{
			Now: func() time.Time { return intaketest.Noon },
			NewID: func() string {
				return fmt.Sprintf("00000000-0000-4000-8000-%012d", g.ids.Add(1))
			},
		},
		Store: g.store, Instance: "test",
	}
	g.Service = logevent.Service{
		Door: intake.Door{Accept: g.accepter.Accept, Durability: g.store.Durability()}, Budget: intake.NewBudget(64 << 20),
		Trust: caller.TrustHeaders{
			Email: "x-goog-authenticated-user-email", ID: "x-goog-authenticated-user-id",
			From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		},
	}
	return g
}

// forwardTo adds a destination that callers wait for, unless they say that the
// event is only to be stored.
func (g *gateway) forwardTo(s daybook.Sink) {
	g.accepter.Destinations = append(g.accepter.Destinations, accept.Destination{
		Name: "statsig", Sink: s, Wants: func(r *store.Record) bool { return !r.StoreOnly },
	})
}

// A destination is a scripted sink.
type destination struct {
	write func(ctx context.Context, events []daybook.Event) error // nil takes everything

	mu    sync.Mutex
	taken []string // ids
}

func (d *destination) Write(ctx context.Context, events []daybook.Event) error {
	if d.write != nil {
		if err := d.write(ctx, events); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range events {
		d.taken = append(d.taken, e.ID)
	}
	return nil
}

func (*destination) Close(context.Context) error { return nil }

func (d *destination) failing() *destination {
	d.write = func(context.Context, []daybook.Event) error { return errors.New("statsig says 500 to secret-key") }
	return d
}

// exhaust lets others hold all memory.
func (g *gateway) exhaust() {
	const all = 64 << 20
	others := g.Budget.Lease()
	if err := others.Grow(all); err != nil {
		panic(err)
	}
	g.others = all
}

// givens are what a case may presuppose, one on each line of its file "given".
var givens = map[string]func(*gateway){
	"the store fails": func(g *gateway) { g.store.Fail = errors.New("write /secret/path: input/output error") },
	"the store is full": func(g *gateway) {
		g.store.Fail = &daybook.Error{Code: daybook.Exhausted, Reason: "disk_full", Message: "the disk is full", RetryAfter: 5 * time.Second}
	},
	"the store is stopping":     func(g *gateway) { g.store.Fail = daybook.ErrClosed },
	"there is no memory":        (*gateway).exhaust,
	"the destination takes it":  func(g *gateway) { g.forwardTo(&destination{}) },
	"the destination fails":     func(g *gateway) { g.forwardTo(new(destination).failing()) },
	"the caller is not trusted": func(g *gateway) { g.remote = "10.0.0.1:4711" },
	"a rule drops the event": func(g *gateway) {
		g.Accept = func(context.Context, accept.Batch) []daybook.Outcome {
			return []daybook.Outcome{{ID: "00000000-0000-4000-8000-000000000001", Status: daybook.Dropped, Reason: "rule"}}
		}
	},
}

// caseGateway is a new gateway as the case wants it.
func caseGateway(t testing.TB, folder string) *gateway {
	t.Helper()
	g := newGateway()
	text, err := os.ReadFile(filepath.Join(folder, "given"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		given, ok := givens[strings.TrimSpace(line)]
		if !ok {
			t.Fatalf("nobody knows how it is given that %s", line)
		}
		given(g)
	}
	return g
}

// serve sends a request through the service as it is.
func (g *gateway) serve(r *http.Request) *httptest.ResponseRecorder {
	r.RemoteAddr = g.remote
	w := httptest.NewRecorder()
	intake.Identified(g.Handler()).ServeHTTP(w, r)
	return w
}

// post sends body as Connect JSON; headers are name, value.
func (g *gateway) post(body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, logevent.Path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return g.serve(r)
}
