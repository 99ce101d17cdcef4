package daybook_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook.dev"
)

// A fakeGateway answers each request with the next step of its script, and
// with the last one from then on. It keeps what it was sent.
type fakeGateway struct {
	*httptest.Server

	mu       sync.Mutex // guards what follows
	script   []step
	requests []received
}

type step func(w http.ResponseWriter, events []map[string]any)

type received struct {
	path     string
	header   http.Header
	lines    []string
	unzipped bool
}

func newFakeGateway(t *testing.T, script ...step) *fakeGateway {
	t.Helper()
	g := &fakeGateway{script: script}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Server.Close)
	return g
}

func (g *fakeGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got := received{path: r.Method + " " + r.URL.Path, header: r.Header}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body, got.unzipped = z, true
	}
	var events []map[string]any
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		got.lines = append(got.lines, lines.Text())
		var event map[string]any
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			event = nil
		}
		events = append(events, event)
	}
	g.next(got)(w, events)
}

func (g *fakeGateway) next(r received) step {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, r)
	now := g.script[0]
	if len(g.script) > 1 {
		g.script = g.script[1:]
	}
	return now
}

// only returns the single request the gateway has seen.
func (g *fakeGateway) only(t *testing.T) received {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.requests) != 1 {
		t.Fatalf("the gateway saw %d requests, want 1", len(g.requests))
	}
	return g.requests[0]
}

func (g *fakeGateway) open(t *testing.T, o daybook.GatewayOptions) daybook.Sender {
	t.Helper()
	s, err := daybook.Gateway(g.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// stored answers that every event is stored.
func stored(w http.ResponseWriter, events []map[string]any) {
	var results []string
	for i, e := range events {
		id, _ := e["event_id"].(string)
		results = append(results, fmt.Sprintf(`{"index":%d,"event_id":%q,"status":"stored","code":"ok"}`, i, id))
	}
	fmt.Fprintf(w, `{"durability":"fsync","results":[%s]}`, strings.Join(results, ","))
}

func answers(status int, body string, header ...string) step {
	return func(w http.ResponseWriter, _ []map[string]any) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func send(t *testing.T, s daybook.Sender, events ...daybook.Event) ([]daybook.Outcome, error) {
	t.Helper()
	return s.Send(t.Context(), events)
}

func TestGatewaySendsAnEvent(t *testing.T) {
	g := newFakeGateway(t, stored)
	s := g.open(t, daybook.GatewayOptions{Key: "k-123"})

	outcomes, err := send(t, s, daybook.Event{
		ID: "e1", Name: "order-paid", Type: daybook.Behavioral, Actor: "ann", IdempotencyKey: "i",
		Time:     time.Date(2026, 1, 2, 4, 5, 6, 7, time.FixedZone("", 3600)),
		Metadata: json.RawMessage("{\n \"cents\": 12345678901234567890.10,\n \"note\": \"a b\"\n}"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []daybook.Outcome{{ID: "e1", Status: daybook.Stored, Durability: daybook.Fsynced}}
	if !reflect.DeepEqual(outcomes, want) {
		t.Errorf("outcomes %+v, want %+v", outcomes, want)
	}
	r := g.only(t)
	if r.path != "POST /v1/events" || r.header.Get("Authorization") != "Bearer k-123" || r.header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("request %s %v", r.path, r.header)
	}
	line := `{"event_name":"order-paid","event_id":"e1","event_type":"behavioral","actor_id":"ann","event_ts":"2026-01-02T03:05:06.000000007Z",` +
		`"idempotency_key":"i","metadata":{"cents":12345678901234567890.10,"note":"a b"}}`
	if len(r.lines) != 1 || r.lines[0] != line {
		t.Errorf("sent %q\nwant %q", r.lines, line)
	}
}

func TestGatewayKeepsTextsAsTheyAre(t *testing.T) {
	g := newFakeGateway(t, stored)
	s := g.open(t, daybook.GatewayOptions{})
	name := "a\"b\\c\n\r\t\x00\x1f<&>\u2028é😀"
	if _, err := send(t, s, daybook.Event{ID: "a", Name: name}, daybook.Event{ID: "b", Name: "bad\xff\xfe"}); err != nil {
		t.Fatal(err)
	}
	lines := g.only(t).lines
	if len(lines) != 2 {
		t.Fatalf("a line break got through: %q", lines)
	}
	var event struct {
		Name string `json:"event_name"`
	}
	if err := json.Unmarshal([]byte(lines[0]), &event); err != nil || event.Name != name {
		t.Errorf("name %q became %q, %v", name, event.Name, err)
	}
	if !strings.Contains(lines[1], "bad\xff\xfe") {
		t.Errorf("invalid UTF-8 was mended before the gateway could refuse it: %q", lines[1])
	}
}

func TestGatewayCompressesLargeRequests(t *testing.T) {
	large := daybook.Event{Name: "large", Metadata: json.RawMessage(`{"a":"` + strings.Repeat("x", 2000) + `"}`)}
	for _, c := range []struct {
		name   string
		above  int
		event  daybook.Event
		zipped bool
	}{
		{"a small request stays plain", 0, daybook.Event{Name: "small"}, false},
		{"a large one is gzipped", 0, large, true},
		{"unless the caller does not want it", -1, large, false},
		{"and a small one where the caller does", 1, daybook.Event{Name: "small"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newFakeGateway(t, stored)
			s := g.open(t, daybook.GatewayOptions{CompressAbove: c.above})
			for range 2 { // the second use finds the compressor pooled
				if _, err := send(t, s, c.event); err != nil {
					t.Fatal(err)
				}
			}
			for _, r := range g.requests {
				if r.unzipped != c.zipped || len(r.lines) != 1 || !strings.Contains(r.lines[0], c.event.Name) {
					t.Errorf("gzipped %v, want %v; lines %.80q", r.unzipped, c.zipped, r.lines)
				}
			}
		})
	}
}

func TestGatewayHonoursTheResultOfEachEvent(t *testing.T) {
	g := newFakeGateway(t, answers(http.StatusServiceUnavailable, `{"durability":"fsync","results":[
		{"index":2,"event_id":"c","status":"refused","code":"invalid","reason":"blank_name","field":"event_name","message":"event_name must not be blank"},
		{"index":0,"event_id":"a","status":"stored"},
		{"index":1,"event_id":"b","status":"duplicate","code":"ok"},
		{"index":3,"event_id":"d","status":"dropped","reason":"rule"},
		{"index":4,"event_id":"e","status":"failed","code":"exhausted","reason":"disk_full","message":"the disk is full"},
		{"index":5,"status":"stored","code":"unavailable","reason":"not_forwarded"},
		{"index":6,"event_id":"g","status":"enshrined"}]}`, "Retry-After", "7"))
	s := g.open(t, daybook.GatewayOptions{})

	outcomes, err := send(t, s, named("a", "b", "c", "d", "e", "f", "g")...)

	want := []daybook.Outcome{
		{ID: "a", Status: daybook.Stored, Durability: daybook.Fsynced},
		{ID: "b", Status: daybook.Duplicate, Durability: daybook.Fsynced},
		{ID: "c", Status: daybook.Refused, Reason: "blank_name", Err: &daybook.Error{
			Code: daybook.Invalid, Where: "gateway",
			Field: "event_name", Reason: "blank_name", Message: "event_name must not be blank", Index: 2,
		}},
		{ID: "d", Status: daybook.Dropped, Reason: "rule"},
		{ID: "e", Status: daybook.Failed, Reason: "disk_full", Err: &daybook.Error{
			Code: daybook.Exhausted, Where: "gateway",
			Reason: "disk_full", Message: "the disk is full", Index: 4, RetryAfter: 7 * time.Second,
		}},
		{ID: "f", Status: daybook.Stored, Durability: daybook.Fsynced, Reason: "not_forwarded", Err: &daybook.Error{
			Code:  daybook.Unavailable,
			Where: "gateway", Reason: "not_forwarded", Index: 5, RetryAfter: 7 * time.Second,
		}},
		{ID: "g", Status: daybook.Unknown, Err: &daybook.Error{Code: daybook.Unavailable, Where: "gateway", Index: 6, RetryAfter: 7 * time.Second}},
	}
	if !reflect.DeepEqual(outcomes, want) {
		t.Errorf("outcomes\n%s\nwant\n%s", show(outcomes), show(want))
	}
	partial, ok := errors.AsType[*daybook.PartialError](err)
	if !ok || len(partial.Failed) != 3 || partial.Failed[0].ID != "c" || partial.Failed[1].ID != "e" || partial.Failed[2].ID != "g" {
		t.Errorf("error %v, want a PartialError of c, e and g", err)
	}
	if write := s.Write(t.Context(), named("a", "b", "c", "d", "e", "f", "g")); write == nil || write.Error() != err.Error() {
		t.Errorf("Write says %v, Send %v", write, err)
	}
}

func named(ids ...string) (events []daybook.Event) {
	for _, id := range ids {
		events = append(events, daybook.Event{ID: id, Name: "name"})
	}
	return events
}

func show(outcomes []daybook.Outcome) string {
	var b bytes.Buffer
	for _, o := range outcomes {
		fmt.Fprintf(&b, "%+v", o)
		if e, ok := errors.AsType[*daybook.Error](o.Err); ok {
			fmt.Fprintf(&b, " %+v", *e)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestGatewayRefusesWhatHasNoLine(t *testing.T) {
	g := newFakeGateway(t, stored)
	s := g.open(t, daybook.GatewayOptions{})
	smuggled := json.RawMessage("{}}\n{\"event_name\":\"smuggled\"")

	outcomes, err := send(t, s,
		daybook.Event{ID: "a", Name: "a", Metadata: smuggled},
		daybook.Event{ID: "b", Name: "b", Metadata: json.RawMessage(`{"x":1}`)},
		daybook.Event{ID: "c", Name: "c", Metadata: json.RawMessage(`[1]`)},
		daybook.Event{ID: "d", Name: "d", Metadata: json.RawMessage{}},
		daybook.Event{ID: "e", Name: "e"})

	if _, ok := errors.AsType[*daybook.PartialError](err); !ok || daybook.CodeOf(err) != daybook.Invalid {
		t.Errorf("error %v, want a PartialError with code invalid", err)
	}
	for i, want := range []daybook.Status{daybook.Refused, daybook.Stored, daybook.Refused, daybook.Refused, daybook.Stored} {
		if outcomes[i].Status != want || outcomes[i].ID != string(rune('a'+i)) {
			t.Errorf("outcome %d is %+v, want %v", i, outcomes[i], want)
		}
		if e, ok := errors.AsType[*daybook.Error](outcomes[i].Err); ok && (e.Index != i || e.Field != "metadata") {
			t.Errorf("outcome %d blames index %d, field %s", i, e.Index, e.Field)
		}
	}
	if lines := g.only(t).lines; len(lines) != 2 {
		t.Errorf("lines %q, want b and e", lines)
	}
}

func TestGatewaySendsLinesAsTheyAre(t *testing.T) {
	g := newFakeGateway(t, stored)
	s, err := daybook.Gateway(g.URL, daybook.GatewayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lines := [][]byte{
		[]byte(`{"event_name":"a", "n":12345678901234567890.10, "event_id":"a"}` + "\r\n"),
		[]byte("{\"event_name\":\n\"b\"}"),
		[]byte(`{"event_name":"c"`), // together with d an object of its own
		[]byte(`}`),
		[]byte(` `),
		[]byte(`{"event_name":"f","event_id":"f"}`),
	}

	outcomes, err := s.SendLines(t.Context(), lines)

	if daybook.CodeOf(err) != daybook.Invalid {
		t.Errorf("error %v, want invalid", err)
	}
	var got []string
	for _, o := range outcomes {
		got = append(got, o.Status.String()+" "+o.ID+o.Reason)
	}
	want := []string{"stored a", "refused invalid_json", "refused invalid_json", "refused not_an_object", "refused not_an_object", "stored f"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("outcomes %q, want %q", got, want)
	}
	want = []string{`{"event_name":"a", "n":12345678901234567890.10, "event_id":"a"}`, `{"event_name":"f","event_id":"f"}`}
	if sent := g.only(t).lines; !reflect.DeepEqual(sent, want) {
		t.Errorf("sent %q, want %q", sent, want)
	}
}

func TestGatewayNeedsNoRequestForNothing(t *testing.T) {
	g := newFakeGateway(t, stored)
	s := g.open(t, daybook.GatewayOptions{})
	if outcomes, err := send(t, s); len(outcomes) != 0 || err != nil {
		t.Errorf("got %v, %v", outcomes, err)
	}
	outcomes, err := send(t, s, daybook.Event{Name: "a", Metadata: json.RawMessage("x")})
	if len(outcomes) != 1 || outcomes[0].Status != daybook.Refused || err == nil {
		t.Errorf("got %v, %v", outcomes, err)
	}
	if len(g.requests) != 0 {
		t.Errorf("%d requests", len(g.requests))
	}
}
