package deadletter

import (
	"fmt"
	"slices"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// A Filter says which dead letters are meant: those for which everything holds
// that it says. The zero value means all of them; Retry and Drop want that said
// with All.
type Filter struct {
	All bool `json:"all,omitzero"` // every dead letter; refused beside anything else

	Destination string           `json:"destination,omitzero"`
	Own         bool             `json:"own,omitzero"`       // those that the gateway itself set aside
	Positions   []store.Position `json:"positions,omitzero"` // one of these, at most 1,000
	EventID     string           `json:"event_id,omitzero"`
	EventName   string           `json:"event_name,omitzero"`
	Caller      string           `json:"caller,omitzero"`
	Reason      string           `json:"reason,omitzero"`
	Code        string           `json:"code,omitzero"` // the word, such as invalid
	Since       time.Time        `json:"since,omitzero"`
	Until       time.Time        `json:"until,omitzero"` // the event was received from Since, before Until

	// After goes on behind the Last of an earlier call's Summary: only dead
	// letters whose newest record lies behind it are meant.
	After store.Position `json:"after,omitzero"`

	// Limit is how many at most. Zero means 100 for List, and 10,000 for Retry and Drop;
	// more than 10,000 is refused.
	Limit int `json:"limit,omitzero"`
}

const (
	listLimit    = 100
	maxLimit     = 10_000
	maxPositions = 1000
)

// check refuses what cannot mean anything.
func (f *Filter) check() error {
	if f.Limit < 0 || f.Limit > maxLimit {
		return invalid("limit", fmt.Sprintf("limit must be from 1 to %d", maxLimit))
	}
	if len(f.Positions) > maxPositions {
		return invalid("positions", fmt.Sprintf("there are more than %d positions", maxPositions))
	}
	if f.Own && f.Destination != "" {
		return invalid("own", "own and destination exclude each other: what the gateway itself set aside has no destination")
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return invalid("until", "until must be later than since")
	}
	if f.Code != "" {
		var c daybook.Code
		if err := c.UnmarshalText([]byte(f.Code)); err != nil || c.String() != f.Code {
			return invalid("code", "code is none of the words that codes have, such as invalid, too_large or unavailable")
		}
	}
	return nil
}

// checkChange is check for what changes something: there a filter that was
// forgotten must not mean everything.
func (f *Filter) checkChange() error {
	if f.All == f.narrows() {
		return invalid("all", "say which dead letters are meant, or all; and not both")
	}
	return f.check()
}

func (f *Filter) narrows() bool {
	return f.Own || f.Destination != "" || len(f.Positions) > 0 || f.EventID != "" || f.EventName != "" || f.Caller != "" ||
		f.Reason != "" || f.Code != "" || !f.Since.IsZero() || !f.Until.IsZero()
}

func (f *Filter) matches(e *letter) bool {
	if len(f.Positions) > 0 && !slices.Contains(f.Positions, e.position) {
		return false
	}
	switch {
	case e.record <= f.After,
		f.Destination != "" && e.destination.Value() != f.Destination,
		f.Own && e.destination.Value() != "",
		f.EventID != "" && e.id != f.EventID,
		f.EventName != "" && e.name.Value() != f.EventName,
		f.Caller != "" && e.caller.Value() != f.Caller,
		f.Reason != "" && e.reason.Value() != f.Reason,
		f.Code != "" && e.code.String() != f.Code,
		!f.Since.IsZero() && e.received < f.Since.UnixNano(),
		!f.Until.IsZero() && e.received >= f.Until.UnixNano():
		return false
	}
	return true
}

// limit is how many at most, where the ordinary number is usual.
func (f *Filter) limit(usual int) int {
	if f.Limit == 0 {
		return usual
	}
	return f.Limit
}

func invalid(field, message string) error {
	return &daybook.Error{Code: daybook.Invalid, Where: "deadletter", Field: field, Reason: "invalid_filter", Message: message}
}
