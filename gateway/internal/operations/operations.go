// Package operations is what the people who run a gateway talk to: is it well,
// what is it, what has it counted, and what arrives.
package operations

import (
	"context"
	"encoding/json"
	"net/http"

	"daybook.dev/gateway/internal/ledger"
	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/store"
)

// Options are the parts the handlers show.
type Options struct {
	// Ready returns nil when an event could be stored now, else why not.
	Ready func(context.Context) error

	// Events are what tail follows. Nil means that the store cannot be read,
	// and tail says so.
	Events store.Follower

	// Store names the store that Events are of, so that a tail which is taken up
	// again notices another one. Empty means that it cannot notice.
	Store string

	// DeadLetters and Replays are what can be done about what was not
	// delivered. Nil means that the store has nothing to do it with, and their
	// routes say so.
	DeadLetters DeadLetters
	Replays     Replays

	// Traces find out what became of an event, and Ledger has the account of
	// every caller and destination. Nil means that the store does not allow it,
	// and their routes say so.
	Traces *query.Tracer
	Ledger *ledger.Ledger

	// Direct names the destination that is the store, where one is: for the
	// sentences about what is not available then.
	Direct string

	// Streams ends the open tails when it is done; nil means nothing does.
	Streams context.Context

	// Failed is told why a question could not be answered, or a tail ended that
	// should not have. Nil means nobody is.
	Failed func(error)

	Metrics http.Handler
	Version any // written as JSON

	Guard Guard
}

// New returns the routes of the operations listener.
func New(o Options) http.Handler {
	closed := http.NewServeMux()
	closed.Handle("GET /version", version(o.Version))
	closed.Handle("GET /metrics", o.Metrics)
	closed.Handle("GET /v1/tail", tailing(o))
	deadLetterRoutes(closed, o)
	replayRoutes(closed, o)
	traceRoutes(closed, o)
	ledgerRoutes(closed, o)
	closed.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "unimplemented", "no such route; there are /health, /ready, /version, /metrics, /v1/tail, /v1/events, /v1/ledger, /v1/deadletters and /v1/replays")
	})

	routes := http.NewServeMux()
	Probes(routes, o.Ready)
	routes.Handle("/", o.Guard.protect(closed))
	return routes
}

// Probes adds the routes that load balancers and supervisors ask. They show
// nothing worth protecting and answer whoever asks, under any name.
func Probes(routes *http.ServeMux, ready func(context.Context) error) {
	for _, path := range []string{"/health", "/healthz"} {
		routes.HandleFunc("GET "+path, health)
	}
	for _, path := range []string{"/ready", "/readyz"} {
		routes.Handle("GET "+path, readiness(ready))
	}
}

// health says that the process answers. It never touches the disk: restarting
// a gateway whose disk is full helps nobody.
func health(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") }

// readiness says whether an event could be stored now.
func readiness(ready func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			answer(w, http.StatusServiceUnavailable, "not ready: "+err.Error()+"\n")
			return
		}
		answer(w, http.StatusOK, "ready\n")
	})
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // an error means that nobody is listening any more
}

func version(v any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, v) })
}

// refuse answers with the reason: a word for machines, a sentence for people.
func refuse(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]string{"code": code, "message": message})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error means that nobody is listening any more
}
