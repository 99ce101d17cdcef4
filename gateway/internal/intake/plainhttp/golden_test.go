package plainhttp_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/store"
)

var update = flag.Bool("update", false, "write what the handler answers into test/wire/http")

// wireCases are the golden cases, each a folder with request.http, the answer
// in response.http, and what was stored in stored.ndjson.
const wireCases = "../../../../test/wire/http"

func TestWire(t *testing.T) {
	requests, err := filepath.Glob(filepath.Join(wireCases, "*", "request.http"))
	if err != nil || len(requests) == 0 {
		t.Fatalf("no golden cases in %s: %v", wireCases, err)
	}
	for _, request := range requests {
		folder := filepath.Dir(request)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			s := &recorder{}
			w := httptest.NewRecorder()
			newHandler(s).ServeHTTP(w, readRequest(t, request))
			compare(t, filepath.Join(folder, "response.http"), response(w, request))
			compare(t, filepath.Join(folder, "stored.ndjson"), rows(t, s.records))
		})
	}
}

// readRequest reads a request: the method and path, headers, a blank line, and
// the body, byte for byte.
func readRequest(t testing.TB, path string) *http.Request {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := bytes.Cut(text, []byte("\n\n"))
	lines := bufio.NewScanner(bytes.NewReader(head))
	lines.Scan()
	method, target, _ := strings.Cut(lines.Text(), " ")
	r := httptest.NewRequest(method, target, bytes.NewReader(body))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		r.Header.Add(name, value)
	}
	return r
}

// response writes an answer down: status, headers in order, body. A request id
// is random unless the request has one, and then left out.
func response(w *httptest.ResponseRecorder, request string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %s\n", w.Code, http.StatusText(w.Code))
	names := make([]string, 0, len(w.Header()))
	for name := range w.Header() {
		if name != intake.RequestIDHeader || strings.Contains(request, "traceparent") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(w.Header()[name], ", "))
	}
	b.WriteByte('\n')
	_, _ = io.Copy(&b, w.Body)
	return b.Bytes()
}

// rows writes down what was stored, one record on each line.
func rows(t *testing.T, records []store.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	for i := range records {
		r := &records[i]
		err := encoder.Encode(struct {
			ID          string          `json:"event_id"`
			Name        string          `json:"event_name"`
			Type        string          `json:"event_type,omitempty"`
			Actor       string          `json:"actor_id,omitempty"`
			Time        string          `json:"event_ts"`
			Idempotency string          `json:"idempotency_key,omitempty"`
			Metadata    json.RawMessage `json:"metadata,omitempty"`
		}{
			r.Event.ID, r.Event.Name, string(r.Event.Type), r.Event.Actor,
			r.Event.Time.Format(time.RFC3339Nano), r.Event.IdempotencyKey, r.Event.Metadata,
		})
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if r.Caller != "anonymous" || r.Protocol != "http" || r.Instance != "test" || !r.Received.Equal(noon) {
			t.Errorf("record %d says where it comes from as the caller wants it: %+v", i, r)
		}
	}
	return b.Bytes()
}

func compare(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs\n--- got\n%s\n--- want\n%s", filepath.Base(path), got, want)
	}
}
