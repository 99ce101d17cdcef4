package serve

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/telemetrygateway"
)

// TelemetryGateway is for the telemetry gateway's protocol.
type TelemetryGateway struct {
	PrivateMetadata List          `live:"true" usage:"what of private_metadata is kept, as feature::action::key1::key2; the action * stands for all others"`
	MaxMessage      Size          `default:"90MiB" usage:"largest message, compressed or not"`
	Idle            time.Duration `default:"10m" usage:"how long a stream may be silent in both directions"`
}

// privateMetadataReads: a wrong entry would silently keep nothing.
func privateMetadataReads(c Config, from Origins) error {
	if _, err := telemetrygateway.ParseAllowed(c.TelemetryGateway.PrivateMetadata.items()); err != nil {
		return fmt.Errorf("telemetry_gateway.private_metadata (%s): %w", from.Of("telemetry_gateway.private_metadata"), err)
	}
	return nil
}

// memoryHoldsMessage: a client would send its message again, for ever. Where nobody
// has asked for it the largest message is what the memory holds.
func memoryHoldsMessage(c Config, from Origins) error {
	const key = "telemetry_gateway.max_message"
	holds := Size(telemetrygateway.Largest(int64(c.Limits.Memory)))
	if _, asked := from[key]; !asked || c.TelemetryGateway.MaxMessage <= holds {
		return nil
	}
	return fmt.Errorf("%s: %s (%s) is more than the %s that limits.memory, %s, has room for: a message counts twice",
		key, c.TelemetryGateway.MaxMessage, from.Of(key), holds, c.Limits.Memory)
}

// telemetry takes the telemetry gateway's protocol.
func (g *Gateway) telemetry(door intake.Door, budget *intake.Budget) http.Handler {
	c := g.config.TelemetryGateway
	private := new(telemetrygateway.Allowlist)
	g.onReload(func(c Config) (func(), error) {
		allowed, err := telemetrygateway.ParseAllowed(c.TelemetryGateway.PrivateMetadata.items())
		return func() { private.Set(allowed) }, err
	})
	if allowed, err := telemetrygateway.ParseAllowed(c.PrivateMetadata.items()); err == nil { // Problems has refused others
		private.Set(allowed)
	}
	service := &telemetrygateway.Service{
		Door: door, Budget: budget, Private: private,
		MaxMessage: int(min(c.MaxMessage, Size(telemetrygateway.Largest(int64(g.config.Limits.Memory))))), Idle: c.Idle, Stopping: g.streams,
		Observe: newTelemetryMetrics(g.metrics.registry).observer(),
	}
	return service.Handler()
}

// telemetryMetrics are what the original counted of its streams. The source is the
// kind of a sender, never its name.
type telemetryMetrics struct {
	streams        *prometheus.CounterVec
	streamPayloads *prometheus.HistogramVec
	streamEvents   *prometheus.HistogramVec
	payloads       *prometheus.CounterVec
	payloadEvents  *prometheus.HistogramVec
	processed      *prometheus.CounterVec
}

func newTelemetryMetrics(registry prometheus.Registerer) *telemetryMetrics {
	source := []string{"source"}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: groupBuckets}, source)
	}
	m := &telemetryMetrics{
		streams: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_telemetry_streams_total", Help: "Streams of the telemetry gateway's protocol that have ended, by the kind of their sender.",
		}, source),
		streamPayloads: histogram("daybook_telemetry_stream_payloads", "Payloads in a stream."),
		streamEvents:   histogram("daybook_telemetry_stream_events", "Events in a stream."),
		payloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_telemetry_payloads_total",
			Help: "Payloads by what was answered about their events: success, partial_failure or complete_failure.",
		}, []string{"source", "result"}),
		payloadEvents: histogram("daybook_telemetry_payload_events", "Events in a payload."),
		processed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_telemetry_processed_events_total",
			Help: "Events by what was answered about their payload: success, partial_failure or complete_failure.",
		}, []string{"source", "result"}),
	}
	registry.MustRegister(m.streams, m.streamPayloads, m.streamEvents, m.payloads, m.payloadEvents, m.processed)
	return m
}

func (m *telemetryMetrics) observer() telemetrygateway.Observer {
	return telemetrygateway.Observer{
		Payload: func(from telemetrygateway.Source, events, succeeded int) {
			source, result := string(from), telemetryResult(events, succeeded)
			m.payloads.WithLabelValues(source, result).Inc()
			m.payloadEvents.WithLabelValues(source).Observe(float64(events))
			m.processed.WithLabelValues(source, result).Add(float64(events))
		},
		Stream: func(from telemetrygateway.Source, payloads, events int) {
			source := string(from)
			m.streams.WithLabelValues(source).Inc()
			m.streamPayloads.WithLabelValues(source).Observe(float64(payloads))
			m.streamEvents.WithLabelValues(source).Observe(float64(events))
		},
	}
}

// telemetryResult is the original's word for what was answered about a payload.
func telemetryResult(events, succeeded int) string {
	switch succeeded {
	case events:
		return "success"
	case 0:
		return "complete_failure"
	}
	return "partial_failure"
}
