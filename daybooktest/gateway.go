package daybooktest

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"daybook.dev"
)

// A FakeGateway is an HTTP server that answers POST /v1/events and GET
// /v1/settings as a gateway does, keeps events in memory, and fails as it was
// told. It knows an event that it has by its ID and answers "duplicate".
type FakeGateway struct {
	// URL is what daybook.Config.Gateway takes.
	URL string

	server *httptest.Server
	ending chan struct{} // closed when the test ends, for faults that hang

	mu       sync.Mutex // guards what follows
	faults   []Fault
	events   []daybook.Event
	known    map[string]bool
	requests []*http.Request
	settings []byte // nil = 404
}

// A Fault is what goes wrong with one request of POST /v1/events.
type Fault struct {
	before func(g *FakeGateway, w http.ResponseWriter, r *http.Request) // instead of taking the events
	after  func(w http.ResponseWriter)                                  // instead of answering once they are taken
}

// Answer answers with a status and takes nothing. header are names and values.
func Answer(status int, header ...string) Fault {
	return Fault{before: func(_ *FakeGateway, w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}}
}

// TryAfter answers 429 with Retry-After and takes nothing.
func TryAfter(d time.Duration) Fault {
	return Answer(http.StatusTooManyRequests, "Retry-After", strconv.Itoa(int(d/time.Second)))
}

// HangUp closes the connection without an answer and takes nothing.
func HangUp() Fault {
	return Fault{before: func(*FakeGateway, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }}
}

// LoseReply takes the events and closes the connection: the sender cannot know.
func LoseReply() Fault {
	return Fault{after: func(http.ResponseWriter) { panic(http.ErrAbortHandler) }}
}

// Garbage takes nothing and answers 200 with a page that no gateway sends, as a
// hotel's network does.
func Garbage() Fault {
	return Fault{before: func(_ *FakeGateway, w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html>welcome</html>")
	}}
}

// Hang takes nothing and answers nothing until the sender gives up or the test
// ends.
func Hang() Fault {
	return Fault{before: func(g *FakeGateway, _ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is the sender's leaving noticed
		select {
		case <-r.Context().Done():
		case <-g.ending:
		}
		panic(http.ErrAbortHandler)
	}}
}

// OK is no fault: it lets one request through.
func OK() Fault { return Fault{} }

// Gateway starts a fake gateway that ends with the test. Each fault is for one
// request, in their order; requests after them are answered as they should be.
func Gateway(tb testing.TB, faults ...Fault) *FakeGateway {
	tb.Helper()
	g := &FakeGateway{faults: faults, known: map[string]bool{}, ending: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/events", g.serveEvents)
	mux.HandleFunc("GET /v1/settings", g.serveSettings)
	g.server = httptest.NewServer(mux)
	g.URL = g.server.URL
	tb.Cleanup(func() {
		close(g.ending)
		g.server.Close()
	})
	return g
}

// Fail adds faults for the next requests.
func (g *FakeGateway) Fail(faults ...Fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = append(g.faults, faults...)
}

// Serve sets the settings that GET /v1/settings serves.
func (g *FakeGateway) Serve(s daybook.Settings) {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // there is nothing in settings that has no JSON
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settings = text
}

// Events returns the events it has taken, each once, in the order they came.
func (g *FakeGateway) Events() []daybook.Event {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.events)
}

// Requests returns the requests that were made so far; their bodies are read.
func (g *FakeGateway) Requests() []*http.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.requests)
}

func (g *FakeGateway) serveSettings(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.requests = append(g.requests, r)
	text := g.settings
	g.mu.Unlock()
	if text == nil {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}

func (g *FakeGateway) serveEvents(w http.ResponseWriter, r *http.Request) {
	fault := g.next(r)
	if fault.before != nil {
		fault.before(g, w, r)
		return
	}
	events, err := readEvents(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply := g.take(events)
	if fault.after != nil {
		fault.after(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"durability": "fsync", "results": reply})
}

func (g *FakeGateway) next(r *http.Request) Fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, r)
	if len(g.faults) == 0 {
		return OK()
	}
	fault := g.faults[0]
	g.faults = g.faults[1:]
	return fault
}

// result is what is said about one event.
type result struct {
	Index  int    `json:"index"`
	ID     string `json:"event_id"`
	Status string `json:"status"`
}

func (g *FakeGateway) take(events []daybook.Event) []result {
	g.mu.Lock()
	defer g.mu.Unlock()
	results := make([]result, 0, len(events))
	for i, e := range events {
		status := "stored"
		if g.known[e.ID] {
			status = "duplicate"
		} else {
			g.known[e.ID] = true
			g.events = append(g.events, e)
		}
		results = append(results, result{i, e.ID, status})
	}
	return results
}

// readEvents reads the events of a request as the SDK writes them, one a line.
func readEvents(r *http.Request) (events []daybook.Event, err error) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(r.Body); err != nil {
			return nil, err
		}
	}
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct {
			ID       string          `json:"event_id"`
			Name     string          `json:"event_name"`
			Type     daybook.Type    `json:"event_type"`
			Actor    string          `json:"actor_id"`
			Time     time.Time       `json:"event_ts"`
			Key      string          `json:"idempotency_key"`
			Rate     float64         `json:"sample_rate"`
			Metadata json.RawMessage `json:"metadata"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(events)+1, err)
		}
		events = append(events, daybook.Event{
			ID: line.ID, Name: line.Name, Type: line.Type, Actor: line.Actor, Time: line.Time,
			IdempotencyKey: line.Key, SampleRate: line.Rate, Metadata: line.Metadata,
		})
	}
	return events, lines.Err()
}
