package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	eventsv1 "daybook.dev/gateway/internal/gen/events/v1"
	"daybook.dev/gateway/internal/serve"
)

// These benchmarks measure what a request costs the server in processor time.
// The load comes from a process of its own (this test's binary, started again),
// so that the time of this process is the server's alone. Each prints a
// baseline measured in the same run: machines differ, ratios less.
//
//	go test -run '^$' -bench ServerCPU -benchtime 50000x ./gateway/internal/serve/

// loadEnv tells this binary that it is the load.
const loadEnv = "DAYBOOK_TEST_LOAD"

// Traffic is what the other process sends.
type traffic struct {
	URL, ContentType   string
	Body               []byte
	HTTP2              bool
	Requests, InFlight int
}

// BenchmarkServerCPULogEvent compares LogEvent in JSON, fsynced, with a Connect
// handler that does nothing with the generated messages.
func BenchmarkServerCPULogEvent(b *testing.B) {
	const path = "/events.v1.EventLoggingService/LogEvent"
	asInCommand(b)
	gateway, nothing := benchGateway(b), noopServer(b, path)
	for name, http2 := range map[string]bool{"http1": false, "h2c": true} {
		b.Run(name, func(b *testing.B) {
			l := traffic{ContentType: "application/json", Body: []byte(logEventBody), HTTP2: http2, Requests: b.N, InFlight: 64}
			noop, real := cpuOfBoth(b, l, nothing+path, gateway+path)
			b.ReportMetric(real, "cpu-µs/call")
			b.ReportMetric(noop, "noop-µs/call")
			b.ReportMetric(real/noop, "x-noop")
		})
	}
}

// BenchmarkServerCPUBatch100 is POST /v1/events with 100 events of 512 bytes
// beside a handler that only reads the body.
func BenchmarkServerCPUBatch100(b *testing.B) {
	const path, events = "/v1/events", 100
	asInCommand(b)
	gateway, nothing := benchGateway(b), readingServer(b)
	line := fmt.Sprintf(`{"event_name":"order-paid","event_type":"behavioral","actor_id":"user-4711","event_ts":"2026-01-31T12:00:00Z",`+
		`"metadata":{"plan":"pro","cents":1299,"items":[1,2,3],"note":"%s"}}`, strings.Repeat("n", 512-169))
	l := traffic{ContentType: "application/x-ndjson", Body: []byte(strings.Repeat(line+"\n", events)), Requests: b.N, InFlight: 16}
	floor, real := cpuOfBoth(b, l, nothing+path, gateway+path)
	b.ReportMetric(float64(len(line)), "bytes/event")
	b.ReportMetric(real/events, "cpu-µs/event")
	b.ReportMetric(floor/events, "floor-µs/event")
}

// asInCommand sets the garbage collector as `daybook serve` does, for the
// baseline too.
func asInCommand(b *testing.B) {
	before := debug.SetGCPercent(200)
	b.Cleanup(func() { debug.SetGCPercent(before) })
}

// logEventBody is 512 bytes.
var logEventBody = fmt.Sprintf(`{"eventName":"login-success","eventType":"behavioral","actorId":"user-4711","eventTs":"2026-01-31T12:00:00Z",`+
	`"metadata":{"provider":"password","details":{"plan":"pro","seats":3},"note":"%s"},"idempotencyKey":"dedupe-1"}`, strings.Repeat("n", 512-212))

// cpuOfBoth returns the processor time that a request to each of two URLs takes:
// the medians of rounds in turn, because a machine that others use is never the
// same for long.
func cpuOfBoth(b *testing.B, l traffic, one, other string) (float64, float64) {
	b.Helper()
	const rounds = 5
	l.Requests = max(l.Requests/rounds, l.InFlight)
	var ones, others []float64
	for range rounds {
		ones = append(ones, cpuOf(b, l, one))
		others = append(others, cpuOf(b, l, other))
	}
	slices.Sort(ones)
	slices.Sort(others)
	return ones[rounds/2], others[rounds/2]
}

// cpuOf returns the processor time of this process, in µs, for each request.
func cpuOf(b *testing.B, l traffic, url string) float64 {
	b.Helper()
	l.URL = url
	text, err := json.Marshal(l)
	if err != nil {
		b.Fatal(err)
	}
	command := exec.CommandContext(b.Context(), os.Args[0])
	command.Env = append(os.Environ(), loadEnv+"="+string(text))
	before := processorTime(b)
	if out, err := command.CombinedOutput(); err != nil {
		b.Fatalf("load: %v\n%s", err, out)
	}
	return float64((processorTime(b) - before).Nanoseconds()) / 1e3 / float64(l.Requests)
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func benchGateway(b *testing.B) string {
	b.Helper()
	config := serve.Config{Data: b.TempDir()}
	config.Ingest.Listen, config.Operations.Listen = "127.0.0.1:0", "127.0.0.1:0"
	g, err := serve.Open(b.Context(), config, serve.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- g.Run(ctx) }()
	b.Cleanup(func() { stop(); <-stopped })
	return g.IngestURL()
}

func noopServer(b *testing.B, path string) string {
	answer := &eventsv1.LogEventResponse{EventId: "6b338870-034d-493d-ba9c-565eb552c9f4", IdempotencyKey: "dedupe-1"}
	return benchServer(b, connect.NewUnaryHandler(path,
		func(context.Context, *connect.Request[eventsv1.LogEventRequest]) (*connect.Response[eventsv1.LogEventResponse], error) {
			return connect.NewResponse(answer), nil
		}))
}

func readingServer(b *testing.B) string {
	return benchServer(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write([]byte("{}"))
	}))
}

func benchServer(b *testing.B, h http.Handler) string {
	b.Helper()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: h, Protocols: bothProtocols(), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(port) }()
	b.Cleanup(func() { _ = server.Close(); <-done })
	return "http://" + port.Addr().String()
}

func bothProtocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// run sends the load; it is the other process.
func (l traffic) run() error {
	transport := &http.Transport{MaxIdleConnsPerHost: l.InFlight}
	if l.HTTP2 {
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	client := &http.Client{Transport: transport}
	var left atomic.Int64
	left.Store(int64(l.Requests))
	errs := make(chan error, l.InFlight)
	var senders sync.WaitGroup
	for range l.InFlight {
		senders.Go(func() {
			for n := left.Add(-1); n >= 0; n = left.Add(-1) {
				if err := l.send(client, n); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	senders.Wait()
	close(errs)
	return <-errs
}

// numbered stands in a body for what is another text in each request, so that
// ids made of bodies differ.
const numbered = "@@@@@@@@@@@@@@@@@@@@"

func (l traffic) send(client *http.Client, n int64) error {
	body := bytes.ReplaceAll(l.Body, []byte(numbered), fmt.Appendf(nil, "%0*d", len(numbered), time.Now().UnixNano()+n))
	response, err := client.Post(l.URL, l.ContentType, bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return err
}
