package admit

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"daybook.dev"
)

// Limits bound one event. Zero fields mean the stated default.
type Limits struct {
	EventBytes int // metadata and texts together; zero means 1 MiB
	NameBytes  int // each of event_id, event_name, event_type, actor_id, idempotency_key; zero means 256
}

const (
	defaultEventBytes = 1 << 20
	defaultNameBytes  = 256
)

// of are the limits of one submission.
func (l Limits) of(s *Submission) Limits {
	if s.MaxBytes > 0 {
		l.EventBytes = s.MaxBytes
	}
	return l
}

func (l Limits) eventBytes() int { return orDefault(l.EventBytes, defaultEventBytes) }
func (l Limits) nameBytes() int  { return orDefault(l.NameBytes, defaultNameBytes) }

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// validate returns why the event is not acceptable, or nil. Nothing is changed.
func (l Limits) validate(e *daybook.Event) *daybook.Error {
	if strings.TrimSpace(e.Name) == "" {
		return refusal("event_name", "blank_name", "event_name is required and must not be blank")
	}
	for _, text := range [...]struct{ field, value string }{
		{"event_name", e.Name},
		{"event_id", e.ID},
		{"event_type", string(e.Type)},
		{"actor_id", e.Actor},
		{"idempotency_key", e.IdempotencyKey},
	} {
		if len(text.value) > l.nameBytes() {
			return refusal(text.field, "text_too_long",
				fmt.Sprintf("%s has %d bytes, the limit is %d", text.field, len(text.value), l.nameBytes()))
		}
		if !utf8.ValidString(text.value) {
			return refusal(text.field, "invalid_utf8", text.field+" is not valid UTF-8")
		}
	}
	if !e.Time.IsZero() && !validTime(e.Time) {
		return refusal("event_ts", "invalid_time", "event_ts is outside the years 0001 to 9999")
	}
	if size := sizeOf(e); size > l.eventBytes() {
		return refusal("", "event_too_large", fmt.Sprintf("the event has %d bytes, the limit is %d", size, l.eventBytes()))
	}
	return nil
}

// validTime reports whether t, in UTC, can be written in RFC 3339.
func validTime(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}

func sizeOf(e *daybook.Event) int {
	return len(e.ID) + len(e.Name) + len(e.Type) + len(e.Actor) + len(e.IdempotencyKey) + len(e.Metadata)
}

func refusal(field, reason, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Field: field, Reason: reason, Message: message}
}
