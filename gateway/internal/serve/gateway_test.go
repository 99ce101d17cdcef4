package serve_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"daybook.dev/gateway/internal/serve"
)

// A running is a gateway that serves, and how to end it.
type running struct {
	*serve.Gateway
	t       *testing.T
	client  *http.Client
	stop    context.CancelFunc // the first signal
	stopped chan error         // what Run returned
}

// start opens and runs a gateway on free ports and a directory of its own,
// unless c says otherwise.
func start(t *testing.T, c serve.Config) *running {
	t.Helper()
	return startWith(t, c, serve.Options{Build: serve.Build{Version: "test"}})
}

func startWith(t *testing.T, c serve.Config, o serve.Options) *running {
	t.Helper()
	g, err := serve.Open(t.Context(), onFreePorts(t, c), o)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Gateway: g, t: t, client: &http.Client{Transport: transport}, stop: stop, stopped: make(chan error, 1)}
	go func() { r.stopped <- g.Run(ctx); close(r.stopped) }()
	t.Cleanup(func() {
		stop()
		g.StopNow()
		<-r.stopped
		transport.CloseIdleConnections()
	})
	return r
}

func onFreePorts(t *testing.T, c serve.Config) serve.Config {
	if c.Ingest.Listen == "" {
		c.Ingest.Listen = "127.0.0.1:0"
	}
	if c.Operations.Listen == "" {
		c.Operations.Listen = "127.0.0.1:0"
	}
	if c.Data == "" {
		c.Data = t.TempDir()
	}
	c.Instance = "test"
	return c
}

// do sends a request and returns status and body; headers are name, value.
func (r *running) do(method, url, body string, headers ...string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := r.client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Error(err)
	}
	return response.StatusCode, string(text)
}

func TestAnEventThatIsAcceptedIsShownByTailAndCounted(t *testing.T) {
	g := start(t, serve.Config{})
	status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_id":"1","event_name":"hello","plan":"pro"}`)
	if want := `{"durability":"fsync","results":[{"index":0,"event_id":"1","status":"stored"}]}`; status != 200 || strings.TrimSpace(body) != want {
		t.Fatalf("%d %s, want 200 %s", status, body, want)
	}
	_, tail := g.do("GET", g.OperationsURL()+"/v1/tail?from=start&follow=false", "")
	if !regexp.MustCompile(`^id: [0-9a-f]{8}\.1-1\ndata: {"event_id":"1","event_name":"hello",`).MatchString(tail) || !strings.Contains(tail, `"instance":"test","metadata":{"plan":"pro"}}`) {
		t.Errorf("tail sent %s", tail)
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	for _, line := range []string{
		`daybook_build_info{go="",revision="",version="test"} 1`,
		`daybook_events_total{caller="anonymous",protocol="http",reason="",status="stored"} 1`,
		`daybook_request_seconds_count{protocol="http"} 1`,
		`daybook_store_append_seconds_count 1`,
		`daybook_store_damaged_records_total 0`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	for _, want := range []string{
		"daybook_store_max_bytes 1.073741824e+10", "daybook_store_warning 0", "daybook_store_refusing 0", "daybook_store_queued_bytes 0",
		"daybook_store_held_bytes ", "daybook_dedup_bytes ",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %q", want)
		}
	}
	if strings.Contains(metrics, "daybook_store_bytes 0\n") || !strings.Contains(metrics, "daybook_store_bytes ") {
		t.Error("daybook_store_bytes does not count the event")
	}
	problems, err := promlint.New(strings.NewReader(metrics)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("the metrics break a convention: %v, %v", problems, err)
	}
}

func TestEveryOutcomeIsCountedWithItsReason(t *testing.T) {
	g := start(t, serve.Config{})
	g.do("POST", g.IngestURL()+"/v1/events", `[{"event_id":"1","event_name":"a"},{"event_id":"2","event_name":"a"},{"event_id":"1","event_name":"a"},{"event_name":" "},{"event_id":"1","event_name":"b"}]`,
		"Daybook-Client-Report", "queue_full=3")
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	for _, line := range []string{
		`daybook_events_total{caller="anonymous",protocol="http",reason="",status="stored"} 2`,
		`daybook_events_total{caller="anonymous",protocol="http",reason="",status="duplicate"} 1`,
		`daybook_events_total{caller="anonymous",protocol="http",reason="blank_name",status="refused"} 1`,
		`daybook_events_total{caller="anonymous",protocol="http",reason="id_conflict",status="refused"} 1`,
		`daybook_client_dropped_total{caller="anonymous",reason="queue_full"} 3`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

func TestR16EventsWithATimeFarFromTheClockAreStoredAndCounted(t *testing.T) {
	g := start(t, serve.Config{})
	ancient, future := `{"event_id":"1","event_name":"a","event_ts":"1970-01-01T00:00:00Z"}`, `{"event_id":"2","event_name":"a","event_ts":"9999-01-01T00:00:00Z"}`
	status, body := g.do("POST", g.IngestURL()+"/v1/events", `[`+ancient+`,`+future+`,`+ancient+`,{"event_name":"a"}]`)
	if status != 200 || strings.Count(body, `"stored"`) != 3 {
		t.Fatalf("%d %s", status, body)
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	for _, direction := range []string{"past", "future"} {
		if line := `daybook_event_time_skewed_total{caller="anonymous",direction="` + direction + `"} 1` + "\n"; !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

func TestTheLimitsOfTheConfigurationHold(t *testing.T) {
	g := start(t, serve.Config{Limits: serve.Limits{Event: 100, Request: 1000, Decompressed: 1000, Batch: 2}})
	long := strings.Repeat("x", 2000)
	for name, test := range map[string]struct {
		body   string
		status int
		reason string
	}{
		"a large event":    {`{"event_name":"a","x":"` + long[:200] + `"}`, 400, "event_too_large"},
		"a large request":  {`{"event_name":"a","x":"` + long + `"}`, 413, "too_large"},
		"too many events":  {`[{"event_name":"a"},{"event_name":"a"},{"event_name":"a"}]`, 413, "too_many"},
		"within all of it": {`[{"event_name":"a"},{"event_name":"a"}]`, 200, "stored"},
	} {
		if status, body := g.do("POST", g.IngestURL()+"/v1/events", test.body); status != test.status || !strings.Contains(body, test.reason) {
			t.Errorf("%s: %d %s, want %d and %q", name, status, body, test.status, test.reason)
		}
	}
	if status, body := g.do("GET", g.IngestURL()+"/health", "", "X-Large", strings.Repeat("x", 80<<10)); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 80 KiB: %d %s", status, body)
	}
}

func TestBothPortsSayWhetherTheGatewayIsWell(t *testing.T) {
	g := start(t, serve.Config{})
	for _, url := range []string{g.IngestURL(), g.OperationsURL()} {
		for _, path := range []string{"/health", "/healthz", "/ready", "/readyz"} {
			if status, body := g.do("GET", url+path, ""); status != 200 {
				t.Errorf("%s: %d %s", url+path, status, body)
			}
		}
	}
	if status, _ := g.do("GET", g.IngestURL()+"/v1/tail", ""); status != 404 {
		t.Errorf("tail on the ingest port: %d: those who send must not be able to read", status)
	}
	if status, body := g.do("GET", g.OperationsURL()+"/version", "", "Host", "x"); status != 200 || !strings.Contains(body, `"version":"test"`) {
		t.Errorf("/version: %d %s", status, body)
	}
}

func TestOperationsAskForTheTokenWhereverTheyAre(t *testing.T) {
	for _, listen := range []serve.Address{"127.0.0.1:0", serve.OnIngest} {
		g := start(t, serve.Config{Operations: serve.Operations{Listen: listen, Token: "secret"}})
		if onIngest := g.OperationsURL() == g.IngestURL()+"/-"; onIngest != (listen == serve.OnIngest) {
			t.Errorf("operations.listen %s: they are at %s", listen, g.OperationsURL())
		}
		for _, path := range []string{"/version", "/metrics", "/v1/tail?follow=false"} {
			if status, body := g.do("GET", g.OperationsURL()+path, ""); status != 401 {
				t.Errorf("operations.listen %s: %s without the token: %d %s", listen, path, status, body)
			}
			if status, body := g.do("GET", g.OperationsURL()+path, "", "Authorization", "Bearer secret"); status != 200 {
				t.Errorf("operations.listen %s: %s with the token: %d %s", listen, path, status, body)
			}
		}
		for _, path := range []string{"/health", "/ready"} {
			if status, _ := g.do("GET", g.OperationsURL()+path, ""); status != 200 {
				t.Errorf("operations.listen %s: %s: %d", listen, path, status)
			}
		}
		if got, want := g.Config().WhoMayRead(), "whoever has the operations token may read"; got != want {
			t.Errorf("operations.listen %s: %s, want %s", listen, got, want)
		}
	}
	if got, want := start(t, serve.Config{}).Config().WhoMayRead(), "anybody on this machine may read"; got != want {
		t.Errorf("without a token: %s, want %s", got, want)
	}
}

func TestEventsAreAcceptedOverHTTP2WithoutTLS(t *testing.T) {
	g := start(t, serve.Config{})
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	g.client = &http.Client{Transport: transport}
	if status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"hello"}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

func TestAGatewayThatCannotStartSaysWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	other := start(t, serve.Config{Data: t.TempDir() + "/other"})
	_, port, _ := net.SplitHostPort(taken.Addr().String())

	for name, test := range map[string]struct {
		config serve.Config
		o      serve.Options
		want   []string
	}{
		"the ingest port is in use": {
			serve.Config{Ingest: serve.Ingest{Listen: serve.Address("127.0.0.1:" + port)}},
			serve.Options{},
			[]string{"127.0.0.1:" + port + " is already in use (another daybook?)", "stop it or pass --ingest-listen 127.0.0.1:"},
		},
		"the operations port is in use": {
			serve.Config{Operations: serve.Operations{Listen: serve.Address("127.0.0.1:" + port)}},
			serve.Options{},
			[]string{"127.0.0.1:" + port + " is already in use", "pass --operations-listen 127.0.0.1:"},
		},
		"an address of another machine": {
			serve.Config{Ingest: serve.Ingest{Listen: "192.0.2.1:8080"}, AllowAnonymous: true},
			serve.Options{},
			[]string{"192.0.2.1:8080 is no address of this machine", "--ingest-listen"},
		},
		"another gateway has the directory": {
			serve.Config{Data: dataOf(other)},
			serve.Options{},
			[]string{dataOf(other), "in use", "stop it"},
		},
		"the disk is memory": {
			serve.Config{},
			serve.Options{Ephemeral: "K_SERVICE is set (x)"},
			[]string{"K_SERVICE is set (x)", "--allow-ephemeral"},
		},
		"everybody could send": {
			serve.Config{Ingest: serve.Ingest{Listen: ":0"}},
			serve.Options{From: serve.Origins{"ingest.listen": "environment PORT"}},
			[]string{"environment PORT", "--allow-anonymous"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := serve.Open(t.Context(), onFreePorts(t, test.config), test.o)
			if err == nil {
				t.Fatal("it started")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error lacks %q: %v", part, err)
				}
			}
		})
	}
}

// dataOf is the directory that start gave to the gateway of this test.
func dataOf(r *running) string { return r.Config().Data }

func TestAfterAFailedOpenNothingIsLeftOpen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	c := onFreePorts(t, serve.Config{
		Ingest:     serve.Ingest{Listen: serve.Address(taken.Addr().String())},
		Operations: serve.Operations{Listen: serve.Address(free.Addr().String())},
	})
	if _, err := serve.Open(t.Context(), c, serve.Options{}); err == nil {
		t.Fatal("it started on a port in use")
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, c) // neither the directory nor the operations port is held any more
}

func TestTheLogNeverHasWhatEventsSay(t *testing.T) {
	var text bytes.Buffer
	log := serve.NewLog(&text, false, serve.Log{Level: "debug"})
	g, err := serve.Open(t.Context(), onFreePorts(t, serve.Config{}), serve.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- g.Run(ctx) }()
	r := &running{Gateway: g, t: t, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	r.do("POST", g.IngestURL()+"/v1/events", `[{"event_name":"canary"},{"event_name":" ","x":"canary"}]`)
	r.do("POST", g.IngestURL()+"/v1/events", `{"canary`)
	stop()
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), `"stored":1,"refused":1,"reason":"blank_name"}`) {
		t.Errorf("the line of the batch is missing in\n%s", &text)
	}
	if strings.Contains(text.String(), "canary") {
		t.Errorf("the log tells what events say:\n%s", &text)
	}
}

func TestTheLogHasTheChosenFormat(t *testing.T) {
	for _, test := range []struct {
		c        serve.Log
		terminal bool
		want     string
	}{
		{serve.Log{Format: "auto"}, true, `level=WARN msg=hello n=1`},
		{serve.Log{Format: "auto"}, false, `"level":"WARN","msg":"hello","n":1}`},
		{serve.Log{Format: "json"}, true, `"level":"WARN","msg":"hello","n":1}`},
		{serve.Log{Format: "text"}, false, `level=WARN msg=hello n=1`},
		{serve.Log{Format: "gcp"}, true, `"severity":"WARNING","message":"hello","n":1}`},
		{serve.Log{Level: "error"}, true, ""},
	} {
		var text bytes.Buffer
		serve.NewLog(&text, test.terminal, test.c).Warn("hello", slog.Int("n", 1))
		got := strings.TrimSpace(text.String())
		if !strings.HasSuffix(got, test.want) || test.want == "" && got != "" {
			t.Errorf("%+v on a terminal %t: %s, want %s", test.c, test.terminal, got, test.want)
		}
	}
}
