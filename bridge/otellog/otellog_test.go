package otellog_test

import (
	"context"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"daybook.dev"
	"daybook.dev/bridge/otellog"
	"daybook.dev/daybooktest"
)

func emit(t *testing.T, p sdklog.Processor, records ...log.Record) {
	t.Helper()
	res := resource.NewSchemaless(attribute.String("service.name", "checkout"))
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(p), sdklog.WithResource(res))
	logger := provider.Logger("scope-1")
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	ctx := trace.ContextWithSpanContext(daybook.ContextWith(t.Context(), slog.Int("context", 1)), span)
	for _, r := range records {
		logger.Emit(ctx, r)
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func named() log.Record {
	var r log.Record
	r.SetEventName("login-success")
	r.SetTimestamp(time.Unix(1_800_000_000, 5))
	r.SetSeverity(log.SeverityInfo)
	r.SetBody(attribute.StringValue("somebody came"))
	r.AddAttributes(
		attribute.String("user_id", "ann"), attribute.Int("seats", 3), attribute.Bool("sso", true), attribute.Float64("ms", 1.5),
		attribute.StringSlice("tags", []string{"a", "b"}))
	return r
}

func TestRecordsBecomeEvents(t *testing.T) {
	for name, processor := range map[string]func(*daybook.Client) sdklog.Processor{
		"the processor": func(c *daybook.Client) sdklog.Processor { return otellog.NewProcessor(c, otellog.Options{}) },
		"the exporter": func(c *daybook.Client) sdklog.Processor {
			return sdklog.NewBatchProcessor(otellog.NewExporter(c, otellog.Options{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec := daybooktest.New(t)
			var line, old log.Record
			line.SetBody(attribute.StringValue("a line, no event"))
			old.AddAttributes(attribute.String("event.name", "old-style"))
			emit(t, processor(rec.Client), named(), line, old)

			e := rec.Require("login-success", slog.String("user_id", "ann"), slog.Int("seats", 3), slog.Bool("sso", true),
				slog.Float64("ms", 1.5), slog.Any("tags", []string{"a", "b"}), slog.String("severity", "INFO"), slog.String("body", "somebody came"),
				slog.String("scope", "scope-1"), slog.Group("resource", "service.name", "checkout"), //nolint:sloglint // the key is OpenTelemetry's
				slog.String("trace_id", trace.TraceID{1}.String()), slog.String("span_id", trace.SpanID{2}.String()))
			if e.Type != daybook.Log || e.Actor != "ann" || !e.Time.Equal(time.Unix(1_800_000_000, 5)) {
				t.Errorf("event %+v", e)
			}
			rec.Require("old-style")
			if n := len(rec.Events()); n != 2 {
				t.Errorf("%d events, want 2: a line is none", n)
			}
		})
	}
}

func TestLinesAreEventsWhereTheyAreWanted(t *testing.T) {
	rec := daybooktest.New(t)
	var line log.Record
	line.SetBody(attribute.StringValue("a line"))
	emit(t, otellog.NewProcessor(rec.Client, otellog.Options{Unnamed: "log-line", Type: daybook.Behavioral}), line)
	if e := rec.Require("log-line", slog.String("body", "a line")); e.Type != daybook.Behavioral {
		t.Errorf("type %s", e.Type)
	}
}

// TestANumberThatJSONLacksCostsNoOther: alone, in a list and inside a list's map it
// is null, and what stands beside it stays.
func TestANumberThatJSONLacksCostsNoOther(t *testing.T) {
	rec := daybooktest.New(t)
	r, nan := named(), math.NaN()
	r.AddAttributes(attribute.Float64("alone", nan), attribute.Float64Slice("list", []float64{1, nan, math.Inf(1)}),
		attribute.Slice("mixed", attribute.StringValue("a"), attribute.Float64Value(nan), attribute.MapValue(attribute.Float64("in", math.Inf(-1)), attribute.Int("n", 2))))
	emit(t, otellog.NewProcessor(rec.Client, otellog.Options{}), r)
	got := string(rec.Require("login-success").Metadata)
	for _, want := range []string{`"alone":null`, `"list":[1,null,null]`, `"mixed":["a",null,{"in":null,"n":2}]`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
}

func TestShuttingAProviderDownLeavesTheClientOpen(t *testing.T) {
	rec := daybooktest.New(t)
	emit(t, otellog.NewProcessor(rec.Client, otellog.Options{}))
	rec.Record(context.Background(), daybook.Log, "after")
	rec.Require("after")
}
