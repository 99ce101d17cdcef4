// Package telemetrygateway is the intake of the telemetry gateway's contract:
// events in batches over one stream, each acknowledged by its id, over gRPC,
// Connect and gRPC-Web.
//
// A stream has two goroutines: one receives a message, stores its events and
// queues the answer (stream.go, payload.go), the other sends what is queued
// (answers.go), because clients send everything before they read anything. Events
// are decoded from their binary form straight into the JSON that is stored
// (event.go, package wirejson), and redacted on the way.
//
// An event is stored with the metadata that protojson makes of its message,
// without id and timestamp, which are the event's own. Who published it stands in
// the reserved envelope, as protojson makes it of the stream's metadata, with the
// license key replaced by its hash:
//
//	{"feature":…, "action":…, "source":…, "parameters":…, …,
//	 "_eventLog":{"publisher":{"requestId":…, "identifier":…}}}
//
// Publish makes of that form the message that the original published.
package telemetrygateway

import (
	"context"
	"net/http"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
)

// Protocol is this protocol's name in rows and metrics.
const Protocol = caller.TelemetryGateway

// ServiceName is the service's name: misspelt in every client there is.
const ServiceName = "telemetrygateway.v1.TelemeteryGatewayService"

// Path is what the paths of the calls begin with.
const Path = "/" + ServiceName + "/"

const (
	recordEvents = Path + "RecordEvents"
	recordEvent  = Path + "RecordEvent"
)

// DefaultMaxMessage is how many bytes one message may have, compressed or not.
const DefaultMaxMessage = 90 << 20

// DefaultIdle is how long a stream may be silent in both directions.
const DefaultIdle = 10 * time.Minute

// DefaultIntroduction is how long a stream may take until it has said who sends:
// whoever never does must not keep a connection that others need.
const DefaultIntroduction = 30 * time.Second

// The words of refusals; docs/reasons.md explains them.
const (
	reasonMissingID         = "missing_id"
	reasonMissingTime       = "missing_time"
	reasonInvalidTime       = "invalid_time"
	reasonInvalidWord       = "invalid_word"
	reasonInvalidProtobuf   = "invalid_protobuf"
	reasonEventTooLarge     = "event_too_large"
	reasonTooManyKeys       = "too_many_keys"
	reasonMetadataTooLarge  = "metadata_too_large"
	reasonMissingEvent      = "missing_event"
	reasonUnknownIdentifier = "unknown_identifier"
	reasonMetadataTwice     = "metadata_twice"
	reasonMetadataMissing   = "metadata_missing"
	reasonInvalidCall       = "invalid_call"
	reasonStreamIdle        = "stream_idle"
	reasonStopping          = "closing"
	reasonCallersChanged    = "callers_changed"
)

// A Service answers the calls. Set the fields before Handler is called; the
// door's Accept is required.
type Service struct {
	intake.Door

	// Senders says who is sending. Nil means the door's callers.
	Senders Senders

	// Budget is what messages and answers in flight are charged to. Nil means no
	// limit.
	Budget *intake.Budget

	// Private is what of private_metadata may be kept. Nil allows nothing.
	Private *Allowlist

	// MaxMessage is how many bytes a message may have. Zero means
	// DefaultMaxMessage.
	MaxMessage int

	// Idle is how long a stream may be silent. Zero means DefaultIdle.
	Idle time.Duration

	// Introduction is how long a stream may take until it has said who sends. Zero
	// means DefaultIntroduction.
	Introduction time.Duration

	// Stopping ends when the gateway begins to stop: streams then end as soon as
	// what they have received is answered. Nil means never.
	Stopping context.Context

	// Observe is told what streams carry, for metrics.
	Observe Observer
}

// An Observer is told what streams carry. Nil functions are not called. They must
// be safe for concurrent use.
type Observer struct {
	// Payload is told of each payload how many events it had and how many of them
	// were reported as succeeded.
	Payload func(source Source, events, succeeded int)

	// Stream is told of each stream, at its end, how many payloads and events it
	// had.
	Stream func(source Source, payloads, events int)
}

// Handler returns the handler of everything below Path.
func (s *Service) Handler() http.Handler {
	calls := s.calls()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, ok := calls[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		s.serve(w, r, call)
	})
}

// Largest is how many bytes a message may have where all requests together may
// take so much memory: as much as leaves room for a batch of its events.
func Largest(memory int64) int64 {
	const batch = batchEvents*(eventOverhead+maxMetadataBytes) + 2*(batchBytes+maxEventBytes)
	return max((memory-batch)/buffers-frameBytes, strangerBytes)
}

func (s *Service) senders() Senders {
	if s.Senders != nil {
		return s.Senders
	}
	return s.Callers
}

func (s *Service) maxMessage() int {
	if s.MaxMessage > 0 {
		return s.MaxMessage
	}
	return DefaultMaxMessage
}

func (s *Service) idle() time.Duration {
	if s.Idle > 0 {
		return s.Idle
	}
	return DefaultIdle
}

func (s *Service) introduction() time.Duration {
	if s.Introduction > 0 {
		return s.Introduction
	}
	return DefaultIntroduction
}

// stopping is done when the gateway begins to stop.
func (s *Service) stopping() context.Context {
	if s.Stopping != nil {
		return s.Stopping
	}
	return context.Background()
}

func errStopping() *daybook.Error {
	return &daybook.Error{
		Code: daybook.Unavailable, Reason: reasonStopping, RetryAfter: time.Second,
		Message: "the gateway is stopping; send again what was not answered",
	}
}
