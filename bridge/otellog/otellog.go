// Package otellog records OpenTelemetry log records as events: as an exporter
// behind a batch processor, or as a processor, which needs none because the client
// batches by itself.
//
//	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(otellog.NewProcessor(book, otellog.Options{})))
//
// The client is the application's: shutting a provider down flushes it and does
// not close it.
package otellog

import (
	"context"
	"log/slog"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"daybook.dev"
)

// Options say what becomes of records. The zero value works.
type Options struct {
	// Unnamed is the name of events made of records that have no event name.
	// Empty leaves such records out: they are lines of a log, not events.
	Unnamed string

	// Type is the type of the events. Empty means [daybook.Log].
	Type daybook.Type
}

// eventName is the attribute that named an event before records had a name of
// their own.
const eventName = "event.name"

// converter makes events of records.
type converter struct {
	book *daybook.Client
	o    Options
}

// event returns the event that a record is, and false where it is none.
func (c *converter) event(ctx context.Context, r *sdklog.Record) (daybook.Event, bool) {
	name := r.EventName()
	list := make([]slog.Attr, 0, r.AttributesLen()+6)
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		if kv.Key == eventName {
			if name == "" {
				name = kv.Value.AsString()
			}
			return true
		}
		list = append(list, slog.Attr{Key: string(kv.Key), Value: value(kv.Value)})
		return true
	})
	if name == "" {
		name = c.o.Unnamed
	}
	if name == "" {
		return daybook.Event{}, false
	}
	list = append(list, about(r)...)
	typ := c.o.Type
	if typ == "" {
		typ = daybook.Log
	}
	e := c.book.Event(ctx, typ, name, list...)
	if t := when(r); !t.IsZero() {
		e.Time = t.UTC()
	}
	return e, true
}

// about returns what a record says besides its attributes.
func about(r *sdklog.Record) (list []slog.Attr) {
	if text := r.SeverityText(); text != "" {
		list = append(list, slog.String("severity", text))
	} else if s := r.Severity(); s != 0 {
		list = append(list, slog.String("severity", s.String()))
	}
	if body := r.Body(); body.Type() != attribute.EMPTY {
		list = append(list, slog.Attr{Key: "body", Value: value(body)})
	}
	if id := r.TraceID(); id.IsValid() {
		list = append(list, slog.String("trace_id", id.String()))
	}
	if id := r.SpanID(); id.IsValid() {
		list = append(list, slog.String("span_id", id.String()))
	}
	if scope := r.InstrumentationScope(); scope.Name != "" {
		list = append(list, slog.String("scope", scope.Name))
	}
	if resource := r.Resource(); resource != nil && resource.Len() > 0 {
		list = append(list, slog.Attr{Key: "resource", Value: group(resource.Attributes())})
	}
	return list
}

func when(r *sdklog.Record) time.Time {
	if t := r.Timestamp(); !t.IsZero() {
		return t
	}
	return r.ObservedTimestamp()
}

// value returns an attribute's value as slog has it.
func value(v attribute.Value) slog.Value {
	switch v.Type() {
	case attribute.BOOL:
		return slog.BoolValue(v.AsBool())
	case attribute.INT64:
		return slog.Int64Value(v.AsInt64())
	case attribute.FLOAT64:
		return slog.Float64Value(v.AsFloat64())
	case attribute.STRING:
		return slog.StringValue(v.AsString())
	case attribute.MAP:
		return group(v.AsMap())
	case attribute.SLICE, attribute.FLOAT64SLICE:
		return slog.AnyValue(plain(v))
	default:
		return slog.AnyValue(v.AsInterface())
	}
}

func group(list []attribute.KeyValue) slog.Value {
	attrs := make([]slog.Attr, 0, len(list))
	for _, kv := range list {
		attrs = append(attrs, slog.Attr{Key: string(kv.Key), Value: value(kv.Value)})
	}
	return slog.GroupValue(attrs...)
}

// plain returns a list, or a value inside one, as encoding/json takes it. What it has
// no number for is null, as it is outside of lists: an error would cost the list.
func plain(v attribute.Value) any {
	switch v.Type() {
	case attribute.FLOAT64:
		if n := v.AsFloat64(); math.IsNaN(n) || math.IsInf(n, 0) {
			return nil
		}
		return v.AsFloat64()
	case attribute.FLOAT64SLICE:
		list := []any{}
		for _, n := range v.AsFloat64Slice() {
			list = append(list, plain(attribute.Float64Value(n)))
		}
		return list
	case attribute.SLICE:
		list := []any{}
		for _, item := range v.AsSlice() {
			list = append(list, plain(item))
		}
		return list
	case attribute.MAP:
		m := map[string]any{}
		for _, kv := range v.AsMap() {
			m[string(kv.Key)] = plain(kv.Value)
		}
		return m
	default:
		return v.AsInterface()
	}
}

// Exporter records what it is given to export.
type Exporter struct{ converter }

// NewExporter returns an exporter that records with book.
func NewExporter(book *daybook.Client, o Options) *Exporter { return &Exporter{converter{book, o}} }

var _ sdklog.Exporter = (*Exporter)(nil)

// Export queues the records' events. Nil means that they are queued, or left out
// as [Options] say; the error is that of [daybook.Client.Enqueue].
func (e *Exporter) Export(ctx context.Context, records []sdklog.Record) error {
	events := make([]daybook.Event, 0, len(records))
	for i := range records {
		if event, ok := e.event(ctx, &records[i]); ok {
			events = append(events, event)
		}
	}
	if len(events) == 0 {
		return nil
	}
	return e.book.Enqueue(ctx, events...)
}

// ForceFlush flushes the client.
func (e *Exporter) ForceFlush(ctx context.Context) error { return e.book.Flush(ctx) }

// Shutdown flushes the client and leaves it open.
func (e *Exporter) Shutdown(ctx context.Context) error { return e.book.Flush(ctx) }

// Processor records what is emitted, at once.
type Processor struct{ converter }

// NewProcessor returns a processor that records with book.
func NewProcessor(book *daybook.Client, o Options) *Processor { return &Processor{converter{book, o}} }

var _ sdklog.Processor = (*Processor)(nil)

// Enabled reports whether a record of that name would be recorded.
func (p *Processor) Enabled(ctx context.Context, param sdklog.EnabledParameters) bool {
	return param.EventName == "" || p.book.Enabled(ctx, param.EventName)
}

// OnEmit queues the record's event, as Export does.
func (p *Processor) OnEmit(ctx context.Context, record *sdklog.Record) error {
	event, ok := p.event(ctx, record)
	if !ok {
		return nil
	}
	return p.book.Enqueue(ctx, event)
}

// ForceFlush flushes the client.
func (p *Processor) ForceFlush(ctx context.Context) error { return p.book.Flush(ctx) }

// Shutdown flushes the client and leaves it open.
func (p *Processor) Shutdown(ctx context.Context) error { return p.book.Flush(ctx) }
