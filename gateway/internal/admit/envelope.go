package admit

import (
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"
)

// EnvelopeKey is the metadata member that only the gateway writes.
const EnvelopeKey = "_eventLog"

// An Envelope is the audit envelope of the event-logging contract: what the
// gateway notes about a call, stored beside the caller's metadata under
// EnvelopeKey. Who made the call and who did what the event tells (the event's
// actor) are different things and never mix.
type Envelope struct {
	// Publisher is who published the event, as a JSON object, in the protocol whose
	// events have a publisher: the envelope then has nothing else. Nil means none.
	Publisher json.RawMessage

	ForwardToStatsig bool
	IdempotencyKey   string // "" = none given
	ActorID          string // the caller; "" = nobody was named, then no caller is written
	PrincipalEmail   string
	PrincipalID      string
}

// appendTo returns metadata with the envelope as its last member. Metadata is
// one compact JSON object, or nil for none; it is not changed.
func (e *Envelope) appendTo(metadata json.RawMessage) json.RawMessage {
	out := make([]byte, 0, len(metadata)+e.size())
	if len(metadata) > len("{}") {
		out = append(out, metadata[:len(metadata)-1]...)
		out = append(out, ',')
	} else {
		out = append(out, '{')
	}
	if e.Publisher != nil {
		out = append(append(out, `"`+EnvelopeKey+`":{"publisher":`...), e.Publisher...)
		return append(out, "}}"...)
	}
	out = append(out, `"`+EnvelopeKey+`":{"forwardToStatsig":`...)
	if e.ForwardToStatsig {
		out = append(out, "true"...)
	} else {
		out = append(out, "false"...)
	}
	if e.IdempotencyKey != "" {
		out = appendMember(append(out, ','), "idempotencyKey", e.IdempotencyKey)
	}
	if e.ActorID != "" {
		out = appendMember(append(out, `,"caller":{`...), "actorId", e.ActorID)
		if e.PrincipalEmail != "" {
			out = appendMember(append(out, ','), "principalEmail", e.PrincipalEmail)
		}
		if e.PrincipalID != "" {
			out = appendMember(append(out, ','), "principalId", e.PrincipalID)
		}
		out = append(out, '}')
	}
	return append(out, "}}"...)
}

// size is enough for an envelope whose texts need no escapes.
func (e *Envelope) size() int {
	const fixed = 128
	return fixed + len(e.Publisher) + len(e.IdempotencyKey) + len(e.ActorID) + len(e.PrincipalEmail) + len(e.PrincipalID)
}

func appendMember(dst []byte, name, value string) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	// Invalid UTF-8 is replaced, never written; intakes have refused it before.
	dst, _ = jsontext.AppendQuote(dst, value)
	return dst
}
