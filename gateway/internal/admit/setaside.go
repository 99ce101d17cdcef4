package admit

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// maxAsideMetadata is how much metadata of an event that is set aside is kept:
// half of what a record can be, so that no bad event fails its neighbours.
const maxAsideMetadata = 32 << 20

// setAside fills in the record of an event that is refused and kept all the same,
// with why. What an event must be does not hold for it, so its texts are made
// such that they can be stored; metadata that is no JSON object, or very large,
// is left out, for nobody could redact it. The event is completed as an
// acceptable one is, so that it can be looked for.
func (a *Admitter) setAside(s *Submission, r *store.Record, why *daybook.Error) {
	r.Kind, r.Digest, r.Received, r.Refusal = store.KindRefused, digestOf(s), a.now(), refusalOf(why)
	e := &s.Event
	for _, text := range []*string{&e.ID, &e.Name, (*string)(&e.Type), &e.Actor, &e.IdempotencyKey} {
		*text = storable(*text, a.Limits.nameBytes())
	}
	if len(e.Metadata) > maxAsideMetadata || !isObject(e.Metadata) {
		e.Metadata = nil
	}
	if !validTime(e.Time) {
		e.Time = r.Received
	}
	a.complete(s, r.Received)
	r.Event = s.Event
}

// refusalOf is what a record says about why its event was refused.
func refusalOf(why *daybook.Error) *store.Refusal {
	return &store.Refusal{Code: why.Code, Reason: why.Reason, Field: why.Field, Message: why.Message}
}

// storable returns text as it can be stored: valid, and of at most that many
// bytes. What had to be cut ends with a hash of the whole, so that two long ids
// stay two.
func storable(text string, most int) string {
	if len(text) <= most && utf8.ValidString(text) {
		return text
	}
	mark := fmt.Sprintf("~%016x", xxhash.Sum64String(text))
	end := min(len(text), max(most-len(mark), 0))
	for end > 0 && end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.ToValidUTF8(text[:end], "?") + mark
}

func isObject(metadata []byte) bool {
	return jsontext.Value(metadata).Kind() == jsontext.KindBeginObject && jsontext.Value(metadata).IsValid()
}
