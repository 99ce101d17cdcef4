package gateway_test

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
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"daybook.dev/internal/need"
	"daybook.dev/sink/gateway"
	"daybook.dev/sink/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

const key = "key-6e1c"

// A centre answers POST /v1/events as docs/protocols.md says: each event has its
// own result, copies are duplicates, another content of an id is a conflict.
type centre struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex // guards what follows
	lines   []string   // as they were stored, in order
	content map[string]string
	zipped  bool                             // the last request was
	answer  func(w http.ResponseWriter) bool // answers instead, unless it returns false
	hang    chan struct{}                    // closed by whoever ends it; nil = does not hang
}

// A line is an event as the edge sends it.
type line struct {
	ID             string          `json:"event_id"`
	Name           string          `json:"event_name"`
	Type           string          `json:"event_type"`
	Actor          string          `json:"actor_id"`
	Time           string          `json:"event_ts"`
	IdempotencyKey string          `json:"idempotency_key"`
	SampleRate     json.Number     `json:"sample_rate"`
	Metadata       json.RawMessage `json:"metadata"`
}

func newCentre(t *testing.T) *centre {
	c := &centre{t: t, content: map[string]string{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(func() {
		c.mend()
		c.Close()
	})
	return c
}

func (c *centre) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender has gone
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if hang := c.hang; hang != nil {
		c.mu.Unlock()
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		c.mu.Lock()
		return
	}
	switch {
	case c.answer != nil && c.answer(w):
		return
	case r.Method != http.MethodPost || r.URL.Path != "/v1/events":
		c.t.Errorf("%s %s", r.Method, r.URL)
		w.WriteHeader(http.StatusNotFound)
		return
	case r.Header.Get("Authorization") != "Bearer "+key:
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if c.zipped = r.Header.Get("Content-Encoding") == "gzip"; c.zipped {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			c.t.Error(err)
			return
		}
		body, _ = io.ReadAll(z)
	}
	c.reply(w, strings.Split(strings.TrimSuffix(string(body), "\n"), "\n"))
}

// reply stores events and says what became of each.
func (c *centre) reply(w http.ResponseWriter, lines []string) {
	results := make([]string, len(lines))
	status := http.StatusBadRequest
	for i, text := range lines {
		results[i] = c.store(i, text)
		if !strings.Contains(results[i], `"refused"`) {
			status = http.StatusOK
		}
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"durability":"fsync","results":[%s]}`, strings.Join(results, ","))
}

func (c *centre) store(index int, text string) string {
	e := c.parse(text)
	id, _ := json.Marshal(e.ID)
	result := func(status, more string) string {
		return fmt.Sprintf(`{"index":%d,"event_id":%s,"status":%q%s}`, index, id, status, more)
	}
	stored, known := c.content[e.ID]
	switch {
	case strings.TrimSpace(e.Name) == "":
		return result("refused", `,"code":"invalid","reason":"blank_name","field":"event_name","message":"event_name is required and must not be blank"`)
	case known && stored == text:
		return result("duplicate", "")
	case known:
		return result("refused", `,"code":"conflict","reason":"id_conflict","field":"event_id","message":"the same caller stored another event under this id"`)
	}
	c.content[e.ID] = text
	c.lines = append(c.lines, text)
	return result("stored", "")
}

// parse reads a line, in which there must be nothing that a centre would leave
// out or take from nobody.
func (c *centre) parse(text string) (e line) {
	in := json.NewDecoder(strings.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&e); err != nil {
		c.t.Errorf("%v: %s", err, text)
	}
	var metadata map[string]json.RawMessage
	if e.Metadata != nil {
		if err := json.Unmarshal(e.Metadata, &metadata); err != nil {
			c.t.Errorf("%v: %s", err, text)
		}
	}
	if _, ok := metadata["_eventLog"]; ok || len(e.ID) == 0 || len(e.ID) > 256 {
		c.t.Errorf("not for a centre: %s", text)
	}
	return e
}

// list returns what has arrived. Nothing is late: Write has waited for the
// answer.
func (c *centre) list(*testing.T, int) []sinktest.Arrival {
	var list []sinktest.Arrival
	for _, text := range c.stored() {
		e := c.parse(text)
		list = append(list, sinktest.Arrival{ID: e.ID, Name: e.Name, Metadata: e.Metadata})
	}
	return list
}

func (c *centre) stored() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

// answers makes the centre answer with a status and a text.
func (c *centre) answers(status int, text string, header ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = func(w http.ResponseWriter) bool {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, text)
		return true
	}
}

func (c *centre) hangIt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hang = make(chan struct{})
}

func (c *centre) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = nil
	if c.hang != nil {
		close(c.hang)
		c.hang = nil
	}
}

func open(t *testing.T, c gateway.Config) *gateway.Sink {
	t.Helper()
	if c.Key == "" {
		c.Key = key
	}
	c.AllowPrivate = true
	s, err := gateway.Open(c)
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
