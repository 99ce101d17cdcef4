package admit

import (
	"time"

	"daybook.dev/gateway/internal/store"
)

// How far an event's time may be from when it was received before it is noted. A
// day ahead is more than any time zone explains; a month behind more than most
// devices stay without a network.
const (
	maxAhead  = 24 * time.Hour
	maxBehind = 30 * 24 * time.Hour
)

// A Skew says whether an event's time is far from the gateway's clock. Such an
// event is stored as it is: it may be right, and the clock wrong.
type Skew int

// The skews.
const (
	NoSkew Skew = iota
	Past        // happened more than 30 days before it was received
	Future      // or more than 24 hours after
)

// String returns the word that metrics use.
func (s Skew) String() string {
	switch s {
	case Past:
		return "past"
	case Future:
		return "future"
	}
	return "none"
}

// SkewOf compares the time of a record's event with when it was received.
func SkewOf(r *store.Record) Skew {
	switch ahead := r.Event.Time.Sub(r.Received); {
	case ahead > maxAhead:
		return Future
	case ahead < -maxBehind:
		return Past
	}
	return NoSkew
}
