package intaketest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
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

var update = flag.Bool("update", false, "write what the intakes answer into test/wire")

// wire is where the cases are, seen from the folder of an intake.
const wire = "../../../../test/wire"

// Cases returns the folders of a protocol's cases.
func Cases(t testing.TB, protocol string) []string {
	t.Helper()
	requests, err := filepath.Glob(filepath.Join(wire, protocol, "*", "request.http"))
	if err != nil || len(requests) == 0 {
		t.Fatalf("no cases of %s in %s: %v", protocol, wire, err)
	}
	for i := range requests {
		requests[i] = filepath.Dir(requests[i])
	}
	return requests
}

// Request reads the request of a case: the method and path, headers, a blank
// line, and the body, byte for byte.
func Request(t testing.TB, folder string) *http.Request {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "request.http"))
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

// CompareResponse compares an answer with the case: status, headers in order,
// body. A request id is random, and left out, unless the case is about it.
func CompareResponse(t testing.TB, folder string, w *httptest.ResponseRecorder) {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %s\n", w.Code, http.StatusText(w.Code))
	names := make([]string, 0, len(w.Header()))
	for name := range w.Header() {
		if name != intake.RequestIDHeader || strings.Contains(folder, "traceparent") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(w.Header()[name], ", "))
	}
	b.WriteByte('\n')
	b.Write(w.Body.Bytes())
	compare(t, filepath.Join(folder, "response.http"), b.Bytes())
}

// CompareStored compares what was stored with the case, one record on each line.
func CompareStored(t testing.TB, folder string, records []store.Record) {
	t.Helper()
	compare(t, filepath.Join(folder, "stored.ndjson"), Rows(t, records))
}

// A row is a record as cases write it down.
type row struct {
	ID          string          `json:"event_id"`
	Name        string          `json:"event_name,omitempty"`
	Type        string          `json:"event_type,omitempty"`
	Actor       string          `json:"actor_id,omitempty"`
	Time        string          `json:"event_ts,omitempty"`
	Idempotency string          `json:"idempotency_key,omitempty"`
	StoreOnly   bool            `json:"store_only,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Settled     *settled        `json:"settled,omitempty"`
}

type settled struct {
	Position    store.Position `json:"position"`
	Destination string         `json:"destination"`
	Status      string         `json:"status"`
	Reason      string         `json:"reason,omitempty"`
}

// Rows writes records down, one on each line. It leaves out what the gateway
// says of where they come from.
func Rows(t testing.TB, records []store.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	for i := range records {
		if err := encoder.Encode(rowOf(&records[i])); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
	}
	return b.Bytes()
}

func rowOf(r *store.Record) row {
	e := &r.Event
	if s := r.Settlement; s != nil {
		return row{ID: e.ID, Settled: &settled{s.Position, s.Destination, s.Status.String(), s.Reason}}
	}
	return row{
		ID: e.ID, Name: e.Name, Type: string(e.Type), Actor: e.Actor, Time: e.Time.Format(time.RFC3339Nano),
		Idempotency: e.IdempotencyKey, StoreOnly: r.StoreOnly, Metadata: e.Metadata,
	}
}

func compare(t testing.TB, path string, got []byte) {
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
