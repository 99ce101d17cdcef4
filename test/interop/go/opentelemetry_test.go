package interop_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
)

// exporters are OpenTelemetry's own for Go, with nothing set but where to send.
var exporters = map[string]func(context.Context, string) (sdklog.Exporter, error){
	"http": func(ctx context.Context, address string) (sdklog.Exporter, error) {
		return otlploghttp.New(ctx, otlploghttp.WithEndpoint(address), otlploghttp.WithInsecure())
	},
	"http, gzip": func(ctx context.Context, address string) (sdklog.Exporter, error) {
		return otlploghttp.New(ctx, otlploghttp.WithEndpoint(address), otlploghttp.WithInsecure(), otlploghttp.WithCompression(otlploghttp.GzipCompression))
	},
	"grpc": func(ctx context.Context, address string) (sdklog.Exporter, error) {
		return otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(address), otlploggrpc.WithInsecure())
	},
	"grpc, gzip": func(ctx context.Context, address string) (sdklog.Exporter, error) {
		return otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(address), otlploggrpc.WithInsecure(), otlploggrpc.WithCompressor("gzip"))
	},
}

func TestOpenTelemetryForGoExportsEveryRecordOnce(t *testing.T) {
	for name, open := range exporters {
		t.Run(name, func(t *testing.T) {
			g := start(t, "")
			const records = 250
			exported(t, g, open, records)
			rows := g.rows(t)
			if len(rows) != records {
				t.Fatalf("%d events, want %d", len(rows), records)
			}
			slices.SortFunc(rows, func(a, b row) int { return happened(t, a).Compare(happened(t, b)) })
			for i, r := range rows {
				const want = `{"body":{"list":[1,2.5,true],"text":"paid"},"severity_number":9,"severity_text":"INFO","observed_time":"2026-01-31T12:00:01Z",` +
					`"trace_id":"5b8efff798038103d269b633813fc60c","span_id":"eee19b7ec3c1b174","flags":1,` +
					`"attributes":{"user.id":"ann","cents":1299,"ratio":1.0,"raw":{"$bytes":"AAH/"}},"scope":{"name":"checkout","version":"1.2"},"resource":{"attributes":{"service.name":"shop"}}}`
				at := time.Date(2026, 1, 31, 12, 0, 0, 100_000_000+i, time.UTC).Format(time.RFC3339Nano)
				if r.Name != "order-paid" || r.Actor != "ann" || r.Protocol != "otlp" || r.Time != at || string(r.Metadata) != want {
					t.Fatalf("record %d is %s of %s at %s\n%s\nwant it at %s\n%s", i, r.Name, r.Actor, r.Time, r.Metadata, at, want)
				}
			}
		})
	}
}

func happened(t *testing.T, r row) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, r.Time)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// exported exports that many records and flushes.
func exported(t *testing.T, g gateway, open func(context.Context, string) (sdklog.Exporter, error), records int) {
	t.Helper()
	exporter, err := open(t.Context(), g.ingest)
	if err != nil {
		t.Fatal(err)
	}
	provider := sdklog.NewLoggerProvider(
		sdklog.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"))),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter, sdklog.WithExportMaxBatchSize(100))),
	)
	span := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x5b, 0x8e, 0xff, 0xf7, 0x98, 0x03, 0x81, 0x03, 0xd2, 0x69, 0xb6, 0x33, 0x81, 0x3f, 0xc6, 0x0c},
		SpanID:  trace.SpanID{0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74}, TraceFlags: trace.FlagsSampled,
	})
	ctx := trace.ContextWithSpanContext(t.Context(), span)
	logger := provider.Logger("checkout", log.WithInstrumentationVersion("1.2"))
	for i := range records {
		var r log.Record
		r.SetEventName("order-paid")
		r.SetTimestamp(time.Date(2026, 1, 31, 12, 0, 0, 100_000_000+i, time.UTC))
		r.SetObservedTimestamp(time.Date(2026, 1, 31, 12, 0, 1, 0, time.UTC))
		r.SetSeverity(log.SeverityInfo)
		r.SetSeverityText("INFO")
		r.SetBody(attribute.MapValue(
			attribute.KeyValue{Key: "list", Value: attribute.SliceValue(attribute.Int64Value(1), attribute.Float64Value(2.5), attribute.BoolValue(true))},
			attribute.String("text", "paid"),
		))
		r.AddAttributes(attribute.String("user.id", "ann"), attribute.Int64("cents", 1299), attribute.Float64("ratio", 1),
			attribute.KeyValue{Key: "raw", Value: attribute.ByteSliceValue([]byte{0, 1, 255})})
		logger.Emit(ctx, r)
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestOpenTelemetryForGoHearsWhatIsRefused: a partial success reaches the SDK's
// user, with the record and the reason.
func TestOpenTelemetryForGoHearsWhatIsRefused(t *testing.T) {
	for name, open := range exporters {
		t.Run(name, func(t *testing.T) {
			g := start(t, "otlp: {unnamed: refuse}\n")
			exporter, err := open(t.Context(), g.ingest)
			if err != nil {
				t.Fatal(err)
			}
			said := handled(t)
			provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)))
			for _, name := range []string{"order-paid", ""} {
				var r log.Record
				r.SetEventName(name)
				r.SetTimestamp(time.Now())
				provider.Logger("checkout").Emit(t.Context(), r)
			}
			err = errors.Join(provider.Shutdown(t.Context()), said())
			if err == nil || !strings.Contains(err.Error(), "record 1: blank_name") {
				t.Errorf("the SDK says %v", err)
			}
			if rows := g.rows(t); len(rows) != 1 || rows[0].Name != "order-paid" {
				t.Errorf("stored: %+v", rows)
			}
		})
	}
}

// handled collects what the SDK reports to nobody in particular.
func handled(t *testing.T) func() error {
	t.Helper()
	var mu sync.Mutex
	var all []error
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, err)
	}))
	t.Cleanup(func() { otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { fmt.Println(err) })) })
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		return errors.Join(all...)
	}
}
