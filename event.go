package daybook

import (
	"encoding/json"
	"time"
)

// An Event is one thing that happened. It is a plain value: copying it is
// cheap, but the copies share Metadata, which nobody may change once the event
// has been handed to a [Sink].
type Event struct {
	// ID names the event, unique within its caller: 1 to 256 bytes. Together
	// with the caller it is the deduplication key, so a retry must carry the
	// ID of the first attempt. Empty means that the gateway assigns a UUID.
	ID string

	// Name says what happened, such as "login-success": 1 to 256 bytes.
	Name string

	// Type is the class of the event. Empty means none.
	Type Type

	// Actor is who did it. Empty means nobody was named.
	Actor string

	// Time is when it happened. It is stored in UTC; the zero time means that
	// the gateway fills in when it received the event.
	Time time.Time

	// Metadata is everything else: one JSON object, or nil for none. Numbers
	// are kept as they were written.
	Metadata json.RawMessage

	// IdempotencyKey is the caller's own correlation token. Empty means none.
	// It is no promise of deduplication; ID is.
	IdempotencyKey string

	// SampleRate is the share of such events that was kept, above 0 and below
	// 1, so that analysis can weight by 1/SampleRate. Zero means the event
	// was not sampled.
	SampleRate float64

	// Origin is what the gateway that stored the event knows about it. It is
	// nil outside of a gateway, and a caller cannot set it: nothing of it is
	// sent as the event's own. Copies share it, and nobody may change it.
	Origin *Origin
}

// An Origin is what a gateway knows about an event beyond what the event says.
// Sinks use it where their destination keeps such facts.
type Origin struct {
	// Scope is within what the event's ID is unique: the caller's name, or the
	// publisher the caller vouches for.
	Scope string

	Caller   string    // who sent it, as proved to the gateway
	Protocol string    // the intake it came through, such as "http"
	Instance string    // the gateway that received it
	Received time.Time // when, by that gateway's clock; rows call it ingested_at
}

// Type is a class of event. It is its own type so that a variable holding a
// class cannot be passed where a name belongs. The constants below are the
// common ones; any other text of at most 256 bytes is a type too.
type Type string

// The types that the first-party clients have always sent.
const (
	Behavioral Type = "behavioral" // somebody did something
	Metric     Type = "metric"     // something was measured
	Log        Type = "log"        // something was noted
)
