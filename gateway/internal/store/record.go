package store

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"daybook.dev"
)

// Kind is what a record is about. The numbers are part of the journal's format
// (docs/journal-format.md) and never change.
type Kind uint8

// The kinds of records.
const (
	KindEvent   Kind = 1 // an accepted event
	KindRefused Kind = 2 // an event kept as a dead letter, with the reason
	KindSettled Kind = 3 // what a destination said about an event the caller waited for
	KindSummary Kind = 4 // counters, so that the ledger survives a crash
)

// String returns the word that dumps use.
func (k Kind) String() string {
	switch k {
	case KindEvent:
		return "event"
	case KindRefused:
		return "refused"
	case KindSettled:
		return "settled"
	case KindSummary:
		return "summary"
	}
	return "unknown"
}

// A Record is what the store keeps. Which parts are set depends on Kind.
type Record struct {
	Kind Kind

	// Event is the event as accepted: complete, with id and time. A settled
	// record carries only its ID, and where the destination failed its name.
	Event daybook.Event

	// Scope is within what Event.ID is unique: the caller's name, or the
	// publisher the caller vouches for. Empty means Caller.
	Scope string

	// Digest identifies the content as it was received, before anything was
	// completed or redacted: two events with one key and different digests
	// are a conflict.
	Digest Digest

	Caller   string    // who sent it
	Protocol string    // the intake it came through
	Instance string    // the gateway that received it
	Received time.Time // when, by that gateway's clock; written as ingested_at

	// StoreOnly says that the caller asked not to forward the event to
	// destinations that honour such a wish.
	StoreOnly bool

	// Awaited names the destinations that are tried while the caller waits.
	// What each said is a KindSettled record behind this one; where there is
	// none, the gateway died in between and the outcome is unknown.
	Awaited []string

	// Refusal says why a KindRefused record was not delivered.
	Refusal *Refusal

	// Settlement is what a KindSettled record says.
	Settlement *Settlement

	// Summary holds the counters of a KindSummary record. They are cumulative;
	// those of stored events count up to the position Through.
	Summary []Count
	Through Position
}

// Outgoing returns the event as destinations get it: with its origin. It shares
// the metadata with r.
func (r *Record) Outgoing() daybook.Event {
	e := r.Event
	e.Origin = &daybook.Origin{
		Scope: r.scope(), Caller: r.Caller, Protocol: r.Protocol, Instance: r.Instance, Received: r.Received,
	}
	return e
}

// scope is within what the event's id is unique.
func (r *Record) scope() string {
	if r.Scope == "" {
		return r.Caller
	}
	return r.Scope
}

// A Refusal says why an event was set aside.
type Refusal struct {
	Destination string   // which destination refused it; "" = the gateway itself
	Position    Position // of the event that the destination refused; 0 = it has none, the gateway refused it
	Attempts    uint32   // deliveries tried
	Code        daybook.Code
	Reason      string // stable word
	Field       string // the member at fault; "" = none in particular
	Message     string // sentence for people
}

// A Settlement is the final word of one destination about one event.
type Settlement struct {
	Position    Position // of the event
	Destination string
	Status      daybook.Status
	Reason      string // stable word; "" = none
}

// A Count is one cumulative counter of a summary.
type Count struct {
	Caller string
	Status daybook.Status
	Reason string
	Events uint64
}

// A Key is what deduplication compares: a hash over scope and event id, so
// that nobody can claim another caller's ids.
type Key [16]byte

// Key returns the record's deduplication key. That of an event that the gateway
// itself set aside is no event's: whoever corrects it and sends it again under
// its id is not told that it is a duplicate of what nobody will get.
func (r *Record) Key() Key {
	if r.setAside() {
		return SetAsideKeyOf(r.scope(), r.Event.ID)
	}
	return KeyOf(r.scope(), r.Event.ID)
}

// AgainKey returns the key of the record's idempotency key, and false where it
// has none or was set aside. It never equals the key of an id.
func (r *Record) AgainKey() (Key, bool) {
	if r.Event.IdempotencyKey == "" || r.setAside() {
		return Key{}, false
	}
	return AgainKeyOf(r.scope(), r.Event.IdempotencyKey), true
}

// Unique reports whether r is the only record its key may have: an event, or
// one that the gateway itself set aside. The dead letter of a destination is
// not: it shares the key of the event it is about.
func (r *Record) Unique() bool {
	return r.Event.ID != "" && (r.Kind == KindEvent || r.setAside())
}

// setAside reports whether r is an event that the gateway itself set aside.
func (r *Record) setAside() bool {
	return setAside(r.Kind, r.Refusal != nil && r.Refusal.Destination != "")
}

func setAside(kind Kind, elsewhere bool) bool { return kind == KindRefused && !elsewhere }

// KeyOf returns the key of id within scope: the first 16 bytes of SHA-256 over
// the scope's length (8 bytes, big endian), the scope and the id. The length
// keeps ("ab","c") and ("a","bc") apart.
func KeyOf(scope, id string) Key { return keyOf(uint64(len(scope)), scope, id) }

// AgainKeyOf returns the key of an idempotency key within scope. It is made as
// that of an id, but with the highest bit of the length set.
func AgainKeyOf(scope, idempotencyKey string) Key {
	return keyOf(1<<63|uint64(len(scope)), scope, idempotencyKey)
}

// SetAsideKeyOf returns the key of an event that the gateway itself set aside.
// It is made as [KeyOf] makes one, but with the second highest bit of the length
// set.
func SetAsideKeyOf(scope, id string) Key { return keyOf(1<<62|uint64(len(scope)), scope, id) }

func keyOf(length uint64, scope, id string) Key {
	var space [8 + 2*256]byte // names and ids are at most 256 bytes: no allocation
	b := binary.BigEndian.AppendUint64(space[:0], length)
	b = append(b, scope...)
	b = append(b, id...)
	sum := sha256.Sum256(b)
	return Key(sum[:len(Key{})])
}

// A Digest identifies the content of an event as it was received. Digests are
// compared only under the same key.
type Digest [8]byte
