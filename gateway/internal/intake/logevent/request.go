package logevent

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/caller"
)

// A request is one LogEvent call as any encoding carries it, before the rules.
type request struct {
	name      text
	typ       text
	actor     text
	key       text
	metadata  json.RawMessage // compact, strings unescaped as far as JSON allows; nil = absent
	keys      int             // top-level members of metadata
	reserved  bool            // metadata has a top-level _eventLog
	time      time.Time
	timeGiven bool
	storeOnly bool // forward_to_statsig is false
}

// A text is an optional string: absent and blank are different things.
type text struct {
	value string
	given bool
}

// The limits of the contract.
const (
	maxTextBytes     = 256
	maxMetadataKeys  = 256
	maxMetadataBytes = 65_536
	maxDepth         = 64 // the metadata object is level 1
)

// check trims the texts and returns the first rule the call breaks, or nil.
func (r *request) check() *daybook.Error {
	for _, t := range [...]struct {
		field    string
		text     *text
		blank    bool // blank is as good as absent
		required bool
	}{
		{"event_name", &r.name, false, true},
		{"event_type", &r.typ, false, false},
		{"actor_id", &r.actor, false, false},
		{"idempotency_key", &r.key, true, false},
	} {
		t.text.value = strings.TrimSpace(t.text.value)
		switch {
		case t.text.value == "" && t.required:
			return refusal(t.field, reasonBlankName, t.field+" is required and must not be blank")
		case t.text.value == "" && t.text.given && !t.blank:
			return refusal(t.field, reasonBlankText, t.field+" must not be blank when it is given")
		case len(t.text.value) > maxTextBytes:
			return refusal(t.field, reasonTextTooLong,
				fmt.Sprintf("%s has %d bytes, the limit is %d", t.field, len(t.text.value), maxTextBytes))
		}
	}
	return r.checkMetadata()
}

func (r *request) checkMetadata() *daybook.Error {
	switch {
	case r.reserved:
		return refusal("metadata."+admit.EnvelopeKey, reasonReservedField, "metadata."+admit.EnvelopeKey+" is reserved for the gateway")
	case r.keys > maxMetadataKeys:
		return refusal("metadata", reasonTooManyKeys,
			fmt.Sprintf("metadata has %d top-level keys, the limit is %d", r.keys, maxMetadataKeys))
	case len(r.metadata) > maxMetadataBytes:
		return refusal("metadata", reasonMetadataTooLarge,
			fmt.Sprintf("metadata has %d bytes as compact JSON, the limit is %d", len(r.metadata), maxMetadataBytes))
	}
	return nil
}

// submission is the event of a checked call, with the audit envelope.
func (r *request) submission(who caller.Identity) admit.Submission {
	envelope := &admit.Envelope{
		ForwardToStatsig: !r.storeOnly,
		IdempotencyKey:   r.key.value,
		ActorID:          who.Email,
		PrincipalEmail:   who.Email,
		PrincipalID:      who.ID,
	}
	if envelope.ActorID == "" {
		envelope.ActorID = who.ID
	}
	return admit.Submission{
		Event: daybook.Event{
			Name:           r.name.value,
			Type:           daybook.Type(r.typ.value),
			Actor:          r.actor.value,
			Time:           r.time,
			Metadata:       r.metadata,
			IdempotencyKey: r.key.value,
		},
		TimeGiven: r.timeGiven,
		StoreOnly: r.storeOnly,
		Envelope:  envelope,
	}
}

func refusal(field, reason, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Field: field, Reason: reason, Message: message}
}
