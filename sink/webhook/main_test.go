package webhook_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/internal/need"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/webhook"
)

func TestMain(m *testing.M) {
	servePeer()
	goleak.VerifyTestMain(need.Time(m, goleak.Find))
}

// What the sinks of these tests are configured with, and nobody may see.
const (
	oldSecret = "whsec_b2xkLXNlY3JldC1vZi10d2VudHktZm91ci1ieXRlcw=="
	newSecret = "whsec_bmV3LXNlY3JldC1vZi10d2VudHktZm91ci1ieXRlcw=="
	token     = "token-3c9a"
)

var hidden = []string{strings.TrimPrefix(oldSecret, "whsec_"), strings.TrimPrefix(newSecret, "whsec_"), token}

// A receiver keeps what it is sent, checks every signature, and refuses
// requests with an event called "poison".
type receiver struct {
	*httptest.Server
	t    *testing.T
	form webhook.Form

	blind bool // does not read events

	mu       sync.Mutex // guards what follows
	requests []received // as they were read
	tries    int        // all, also those that a broken receiver has turned away
	arrived  []sinktest.Arrival
	broken   bool
	lasts    int           // requests until it breaks; 0 = does not
	hang     chan struct{} // closed by whoever ends it; nil = does not hang
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T, form webhook.Form) *receiver {
	r := &receiver{t: t, form: form}
	r.Server = httptest.NewServer(r)
	t.Cleanup(func() {
		r.mend()
		r.Close()
	})
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // the sender has gone
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	if hang := r.hang; hang != nil {
		r.mu.Unlock()
		select {
		case <-hang:
		case <-q.Context().Done():
		}
		r.mu.Lock()
		return
	}
	if r.broken {
		w.WriteHeader(http.StatusBadGateway)
		w.Write(body) // as a proxy's page about the request would
		return
	}
	r.requests = append(r.requests, received{q.Header, body})
	if r.lasts > 0 {
		r.lasts--
		r.broken = r.lasts == 0
	}
	events := r.read(q.Header, body)
	for _, e := range events {
		if bytes.Contains(e, []byte(`"event_name":"poison"`)) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			w.Write(body)
			return
		}
	}
	for _, e := range events {
		r.arrived = append(r.arrived, sinktest.FromFlat(r.t, e))
	}
}

// read checks a request and returns its events.
func (r *receiver) read(header http.Header, body []byte) [][]byte {
	if err := verify([]string{oldSecret}, header, body, time.Now()); err != nil {
		r.t.Error(err)
	}
	if err := verify([]string{newSecret}, header, body, time.Now()); err != nil {
		r.t.Error(err)
	}
	if header.Get("X-Token") != token {
		r.t.Errorf("the configured header is %q", header.Get("X-Token"))
	}
	if header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			r.t.Error(err)
			return nil
		}
		body, _ = io.ReadAll(z)
	}
	switch {
	case r.blind:
		return nil
	case r.form == webhook.Single:
		return [][]byte{body}
	case r.form == webhook.Lines:
		lines := bytes.SplitAfter(body, []byte("\n"))
		return slices.DeleteFunc(lines, func(line []byte) bool { return len(line) == 0 })
	}
	var events []json.RawMessage
	if err := json.Unmarshal(body, &events); err != nil {
		r.t.Errorf("%v: %s", err, body)
	}
	list := make([][]byte, len(events))
	for i, e := range events {
		list[i] = e
	}
	return list
}

// list returns what has arrived. Nothing is late: Write has waited for the
// answer.
func (r *receiver) list(*testing.T, int) []sinktest.Arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.arrived)
}

func (r *receiver) received() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

func (r *receiver) breakIt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = true
}

// breakAfter breaks the receiver after n more requests.
func (r *receiver) breakAfter(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lasts = n
}

func (r *receiver) hangIt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hang = make(chan struct{})
}

func (r *receiver) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = false
	if r.hang != nil {
		close(r.hang)
		r.hang = nil
	}
}

// open opens a sink for a receiver, with change made to its configuration.
func open(t *testing.T, url string, change func(*webhook.Config)) *webhook.Sink {
	t.Helper()
	c := webhook.Config{
		URL: url, Secrets: []string{newSecret, oldSecret}, Header: map[string]string{"x-token": token}, AllowPrivate: true,
	}
	if change != nil {
		change(&c)
	}
	s, err := webhook.Open(c)
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

// failed returns the outcomes that a partial error names.
func failed(t *testing.T, err error) []daybook.Outcome {
	t.Helper()
	partial, ok := errors.AsType[*daybook.PartialError](err)
	if !ok {
		t.Fatalf("error is %v, want a partial one", err)
	}
	return partial.Failed
}
