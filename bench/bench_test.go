package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/posthog/posthog-go"
	"github.com/segmentio/analytics-go/v3"
	"go.opentelemetry.io/otel/attribute"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"daybook.dev"
)

// measure reports the processor time per event, of n events per operation.
func measure(b *testing.B, n int, finish func()) func() {
	b.Helper()
	b.ReportAllocs()
	runtime.GC()
	before := cpu()
	return func() {
		b.StopTimer()
		finish() // what was put off belongs to the events
		b.ReportMetric(float64(cpu()-before)/float64(b.N)/float64(n), "cpu-ns/event")
	}
}

func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func open(b *testing.B, cfg daybook.Config) *daybook.Client {
	b.Helper()
	cfg.IgnoreDoNotTrack = true
	cfg.Settings = daybook.StaticSettings(daybook.Settings{})
	cfg.Queue = daybook.QueueOptions{Events: 1 << 20, Bytes: 1 << 30, WhenFull: daybook.Wait}
	book, err := daybook.Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = book.Close(context.Background()) })
	return book
}

func record(ctx context.Context, book *daybook.Client) {
	book.Record(ctx, daybook.Behavioral, "login-success",
		slog.String("plan", "pro"), slog.Int("seats", 3), slog.Bool("sso", true),
		slog.Float64("ms", 12.5), slog.Duration("took", 1500*time.Microsecond))
}

func BenchmarkDaybookRecordNoAlloc(b *testing.B) {
	book := open(b, daybook.Config{Sinks: map[string]daybook.Sink{"none": daybook.Discard}})
	ctx := context.Background()
	defer measure(b, 1, func() { _ = book.Flush(ctx) })()
	for b.Loop() {
		record(ctx, book)
	}
}

// The body of a request is written as well; no network.
func BenchmarkDaybookRecordToGateway(b *testing.B) {
	sink, err := daybook.Gateway("http://gateway.test", daybook.GatewayOptions{CompressAbove: -1, Client: &http.Client{Transport: answering{}}})
	if err != nil {
		b.Fatal(err)
	}
	book := open(b, daybook.Config{Sinks: map[string]daybook.Sink{"gateway": sink}})
	ctx := context.Background()
	defer measure(b, 1, func() { _ = book.Flush(ctx) })()
	for b.Loop() {
		record(ctx, book)
	}
}

// answering is a gateway in the place of a network.
type answering struct{}

func (answering) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var reply bytes.Buffer
	reply.WriteString(`{"durability":"fsync","results":[`)
	for i := range bytes.Count(body, []byte("\n")) {
		if i > 0 {
			reply.WriteByte(',')
		}
		reply.WriteString(`{"index":` + strconv.Itoa(i) + `,"status":"stored"}`)
	}
	reply.WriteString("]}")
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(&reply), Request: r, Header: http.Header{}}, nil
}

// 200 events are on disk when Save returns; sending them is not part of it.
func BenchmarkDaybookSave200(b *testing.B) {
	book := open(b, daybook.Config{
		Sinks: map[string]daybook.Sink{"down": down{}}, Spool: daybook.SpoolOptions{Dir: b.TempDir()}, CloseWithin: time.Nanosecond,
		Retry: daybook.RetryOptions{Min: time.Hour, Max: time.Hour}, Logger: slog.New(slog.DiscardHandler),
	})
	ctx := context.Background()
	events := make([]daybook.Event, 200)
	for i := range events {
		events[i] = book.Event(ctx, daybook.Behavioral, "login-success",
			slog.String("plan", "pro"), slog.Int("seats", 3), slog.Bool("sso", true),
			slog.Float64("ms", 12.5), slog.Duration("took", 1500*time.Microsecond))
	}
	defer measure(b, len(events), func() {})()
	for b.Loop() {
		if err := book.Save(ctx, events...); err != nil {
			b.Fatal(err)
		}
	}
}

type down struct{}

func (down) Write(context.Context, []daybook.Event) error {
	return &daybook.Error{Code: daybook.Unavailable, RetryAfter: time.Hour}
}
func (down) Close(context.Context) error { return nil }

// How long a caller waits at worst, with many callers at once.
func BenchmarkDaybookRecordContended(b *testing.B) {
	book := open(b, daybook.Config{Sinks: map[string]daybook.Sink{"none": daybook.Discard}})
	var mu sync.Mutex
	var took []time.Duration
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		ctx, own := context.Background(), make([]time.Duration, 0, 1<<16)
		for pb.Next() {
			start := time.Now()
			record(ctx, book)
			own = append(own, time.Since(start))
		}
		mu.Lock()
		defer mu.Unlock()
		took = append(took, own...)
	})
	slices.Sort(took)
	for _, p := range []float64{50, 99, 99.9} {
		b.ReportMetric(float64(took[int(float64(len(took)-1)*p/100)]), fmt.Sprintf("p%v-ns", p))
	}
}

// A line of JSON that goes nowhere: no id, no batch, no queue.
func BenchmarkPeerSlogJSON(b *testing.B) {
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	ctx := context.Background()
	defer measure(b, 1, func() {})()
	for b.Loop() {
		logger.LogAttrs(ctx, slog.LevelInfo, "login-success",
			slog.String("plan", "pro"), slog.Int("seats", 3), slog.Bool("sso", true),
			slog.Float64("ms", 12.5), slog.Duration("took", 1500*time.Microsecond))
	}
}

// A record in a batch, before anything is encoded.
func BenchmarkPeerOpenTelemetryLog(b *testing.B) {
	ctx := context.Background()
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(exportNothing{}, sdklog.WithMaxQueueSize(1<<16))))
	logger := provider.Logger("bench")
	defer measure(b, 1, func() { _ = provider.ForceFlush(ctx) })()
	for b.Loop() {
		var r otellog.Record
		r.SetEventName("login-success")
		r.SetTimestamp(time.Now())
		r.SetBody(attribute.StringValue("login-success"))
		r.AddAttributes(attribute.String("plan", "pro"), attribute.Int("seats", 3), attribute.Bool("sso", true),
			attribute.Float64("ms", 12.5), attribute.Int64("took", int64(1500*time.Microsecond)))
		logger.Emit(ctx, r)
	}
}

type exportNothing struct{}

func (exportNothing) Export(context.Context, []sdklog.Record) error { return nil }
func (exportNothing) Shutdown(context.Context) error                { return nil }
func (exportNothing) ForceFlush(context.Context) error              { return nil }

// accepting answers 200 to everything, in the place of a network.
type accepting struct{}

func (accepting) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewBufferString("{}")), Request: r, Header: http.Header{}}, nil
}

func BenchmarkPeerPostHog(b *testing.B) {
	client, err := posthog.NewWithConfig("key", posthog.Config{
		Transport: accepting{}, Endpoint: "http://posthog.test", BatchSize: 200, Logger: posthog.StdLogger(log.New(io.Discard, "", 0), false),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer measure(b, 1, func() { _ = client.Close() })()
	for b.Loop() {
		if err := client.Enqueue(posthog.Capture{
			DistinctId: "ann", Event: "login-success",
			Properties: posthog.Properties{"plan": "pro", "seats": 3, "sso": true, "ms": 12.5, "took": int64(1500 * time.Microsecond)},
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPeerSegment(b *testing.B) {
	client, err := analytics.NewWithConfig("key", analytics.Config{
		Transport: accepting{}, Endpoint: "http://segment.test", BatchSize: 200, Logger: analytics.StdLogger(log.New(io.Discard, "", 0)),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer measure(b, 1, func() { _ = client.Close() })()
	for b.Loop() {
		if err := client.Enqueue(analytics.Track{
			UserId: "ann", Event: "login-success",
			Properties: analytics.Properties{"plan": "pro", "seats": 3, "sso": true, "ms": 12.5, "took": int64(1500 * time.Microsecond)},
		}); err != nil {
			b.Fatal(err)
		}
	}
}
