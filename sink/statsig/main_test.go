package statsig_test

import (
	"bytes"
	"compress/gzip"
	"context"
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
	"unicode/utf16"

	"go.uber.org/goleak"

	"daybook.dev/internal/need"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/statsig"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

const key = "secret-5b0d"

// logged is an event as Statsig takes it.
type logged struct {
	EventName string            `json:"eventName"`
	User      map[string]string `json:"user"`
	Time      int64             `json:"time"`
	Metadata  map[string]string `json:"metadata"`

	text string // of the metadata
}

// A service speaks Statsig's side of the contract, and is strict about ours.
type service struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex // guards what follows
	events   []logged
	requests []http.Header
	answer   func(w http.ResponseWriter) bool // answers instead, unless it returns false
	hang     chan struct{}                    // closed by whoever ends it; nil = does not hang
}

func newService(t *testing.T) *service {
	s := &service{t: t}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.mend()
		s.Close()
	})
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender has gone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if hang := s.hang; hang != nil {
		s.mu.Unlock()
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		s.mu.Lock()
		return
	}
	s.requests = append(s.requests, r.Header)
	if s.answer != nil && s.answer(w) {
		return
	}
	if r.Header.Get("Statsig-Api-Key") != key {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	events, err := read(r, body)
	if err != nil {
		s.t.Error(err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.events = append(s.events, events...)
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"success":true}`)
}

// read returns the events of a request, or what is wrong with it.
func read(r *http.Request, body []byte) ([]logged, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/log_event" || r.Header.Get("Content-Type") != "application/json" {
		return nil, fmt.Errorf("%s %s with Content-Type %q", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	at, err := strconv.ParseInt(r.Header.Get("Statsig-Client-Time"), 10, 64)
	if age := time.Since(time.UnixMilli(at)); err != nil || age < -time.Second || age > time.Minute {
		return nil, fmt.Errorf("STATSIG-CLIENT-TIME is %q", r.Header.Get("Statsig-Client-Time"))
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		if body, err = io.ReadAll(z); err != nil {
			return nil, err
		}
	}
	in := json.NewDecoder(bytes.NewReader(body))
	in.DisallowUnknownFields()
	var request struct {
		Events          []json.RawMessage `json:"events"`
		StatsigMetadata map[string]string `json:"statsigMetadata"`
	}
	if err := in.Decode(&request); err != nil {
		return nil, fmt.Errorf("%w: %s", err, body)
	}
	if len(request.Events) == 0 || request.StatsigMetadata["sdkType"] == "" {
		return nil, fmt.Errorf("no events, or nobody says who sends: %s", body)
	}
	events := make([]logged, len(request.Events))
	for i, text := range request.Events {
		if events[i], err = readEvent(text); err != nil {
			return nil, fmt.Errorf("%w: %s", err, text)
		}
	}
	return events, nil
}

func readEvent(text []byte) (e logged, err error) {
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	var raw struct {
		EventName string            `json:"eventName"`
		User      map[string]string `json:"user"`
		Time      int64             `json:"time"`
		Metadata  json.RawMessage   `json:"metadata"`
	}
	if err := in.Decode(&raw); err != nil {
		return e, err
	}
	e = logged{EventName: raw.EventName, User: raw.User, Time: raw.Time, text: string(raw.Metadata)}
	if err := json.Unmarshal(raw.Metadata, &e.Metadata); err != nil {
		return e, err
	}
	switch {
	case units(e.EventName) > 64 || units(e.text) > 4096:
		return e, fmt.Errorf("a name of %d characters, metadata of %d", units(e.EventName), units(e.text))
	case e.EventName == "" || e.User["userID"] == "" || e.Time == 0 || e.Metadata["event_id"] == "":
		return e, fmt.Errorf("something is missing")
	}
	return e, nil
}

// units counts characters as JavaScript does.
func units(text string) int { return len(utf16.Encode([]rune(text))) }

// list returns what has arrived. Nothing is late: Write has waited for the
// answer.
func (s *service) list(t *testing.T, _ int) []sinktest.Arrival {
	var list []sinktest.Arrival
	for _, e := range s.logged() {
		a := sinktest.Arrival{ID: e.Metadata["event_id"], Name: e.EventName}
		for _, own := range []string{"event_id", "event_type", "actor_id"} {
			delete(e.Metadata, own)
		}
		var err error
		if a.Metadata, err = json.Marshal(e.Metadata); err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
	return list
}

func (s *service) logged() []logged {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// answers makes the service answer with a status and a text.
func (s *service) answers(status int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = func(w http.ResponseWriter) bool {
		w.WriteHeader(status)
		io.WriteString(w, text)
		return true
	}
}

func (s *service) hangIt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hang = make(chan struct{})
}

func (s *service) mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = nil
	if s.hang != nil {
		close(s.hang)
		s.hang = nil
	}
}

func open(t *testing.T, c statsig.Config) *statsig.Sink {
	t.Helper()
	if c.Key == "" {
		c.Key = key
	}
	c.AllowPrivate = true
	s, err := statsig.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error("Close:", err)
		}
	})
	return s
}
