package store

import (
	"math"
	"time"

	"daybook.dev"
)

// The payload of a record is one message in the wire encoding of Protocol
// Buffers, so that any reader can be built from the table in
// docs/journal-format.md and old readers skip new fields. It is written by hand
// because the journal's writer must not allocate and because the numbers below
// outlive any generated code. They never change; a number is never used again.
const (
	fieldKey           = 1  // bytes, 16
	fieldDigest        = 2  // bytes, 8
	fieldScope         = 3  // string; absent = caller
	fieldEventID       = 4  // string
	fieldEventName     = 5  // string
	fieldEventType     = 6  // string
	fieldActorID       = 7  // string
	fieldSeconds       = 8  // sint64, event_ts: seconds since 1970
	fieldNanos         = 9  // uint64, event_ts: nanoseconds within the second
	fieldMetadata      = 10 // bytes, one JSON object
	fieldIdempotency   = 11 // string
	fieldSampleRate    = 12 // double
	fieldCaller        = 13 // string
	fieldProtocol      = 14 // string
	fieldInstance      = 15 // string
	fieldReceived      = 16 // fixed64, nanoseconds since 1970
	fieldCode          = 17 // uint64, daybook.Code
	fieldReason        = 18 // string
	fieldField         = 19 // string
	fieldMessage       = 20 // string
	fieldDestination   = 21 // string
	fieldAttempts      = 22 // uint64
	fieldEventPosition = 23 // uint64
	fieldStatus        = 24 // uint64, daybook.Status
	fieldCount         = 25 // repeated message: caller 13, status 24, reason 18, events 26
	fieldEvents        = 26 // uint64
	fieldStoreOnly     = 27 // bool; absent = false
	fieldAwaited       = 28 // repeated string
)

// AppendPayload appends the encoded record, without its kind, and returns the
// extended slice. key is the record's Key, which whoever stores records has at
// hand already. It does not allocate when dst has room.
func (r *Record) AppendPayload(dst []byte, key Key) []byte {
	dst = appendBytes(dst, fieldKey, key[:])
	if r.Digest != (Digest{}) {
		dst = appendBytes(dst, fieldDigest, r.Digest[:])
	}
	dst = appendText(dst, fieldScope, r.Scope)
	dst = appendText(dst, fieldEventID, r.Event.ID)
	dst = appendText(dst, fieldEventName, r.Event.Name)
	dst = appendText(dst, fieldEventType, string(r.Event.Type))
	dst = appendText(dst, fieldActorID, r.Event.Actor)
	if !r.Event.Time.IsZero() {
		dst = appendUint(dst, fieldSeconds, zigzag(r.Event.Time.Unix()))
		dst = appendUint(dst, fieldNanos, uint64(r.Event.Time.Nanosecond()))
	}
	if r.Event.Metadata != nil {
		dst = appendBytes(dst, fieldMetadata, r.Event.Metadata)
	}
	dst = appendText(dst, fieldIdempotency, r.Event.IdempotencyKey)
	if r.Event.SampleRate != 0 {
		dst = appendFixed64(dst, fieldSampleRate, math.Float64bits(r.Event.SampleRate))
	}
	dst = appendText(dst, fieldCaller, r.Caller)
	dst = appendText(dst, fieldProtocol, r.Protocol)
	dst = appendText(dst, fieldInstance, r.Instance)
	if !r.Received.IsZero() {
		dst = appendFixed64(dst, fieldReceived, uint64(r.Received.UnixNano()))
	}
	if r.StoreOnly {
		dst = appendUint(dst, fieldStoreOnly, 1)
	}
	for _, name := range r.Awaited {
		dst = appendText(dst, fieldAwaited, name)
	}
	return r.appendVerdict(dst)
}

// appendVerdict appends what is said about the event: a refusal, a settlement or
// a summary.
func (r *Record) appendVerdict(dst []byte) []byte {
	if f := r.Refusal; f != nil {
		dst = appendUint(dst, fieldCode, uint64(f.Code))
		dst = appendText(dst, fieldReason, f.Reason)
		dst = appendText(dst, fieldField, f.Field)
		dst = appendText(dst, fieldMessage, f.Message)
		dst = appendText(dst, fieldDestination, f.Destination)
		dst = appendUint(dst, fieldAttempts, uint64(f.Attempts))
		if f.Position != 0 {
			dst = appendUint(dst, fieldEventPosition, uint64(f.Position))
		}
	}
	if s := r.Settlement; s != nil {
		dst = appendUint(dst, fieldEventPosition, uint64(s.Position))
		dst = appendText(dst, fieldDestination, s.Destination)
		dst = appendUint(dst, fieldStatus, uint64(s.Status))
		dst = appendText(dst, fieldReason, s.Reason)
	}
	if r.Through != 0 {
		dst = appendUint(dst, fieldEventPosition, uint64(r.Through))
	}
	for i := range r.Summary {
		dst = appendBytes(dst, fieldCount, r.Summary[i].appendPayload(nil))
	}
	return dst
}

func (c *Count) appendPayload(dst []byte) []byte {
	dst = appendText(dst, fieldCaller, c.Caller)
	dst = appendText(dst, fieldReason, c.Reason)
	dst = appendUint(dst, fieldStatus, uint64(c.Status))
	return appendUint(dst, fieldEvents, c.Events)
}

// ParseRecord decodes a payload written by AppendPayload. The record keeps no
// part of payload. Fields it does not know are skipped.
func ParseRecord(kind Kind, payload []byte) (Record, error) {
	r := Record{Kind: kind}
	switch kind {
	case KindRefused:
		r.Refusal = &Refusal{}
	case KindSettled:
		r.Settlement = &Settlement{}
	}
	err := eachField(payload, r.setField)
	return r, err
}

// An Identity is what deduplication needs of a record.
type Identity struct {
	Key      Key
	Digest   Digest
	Received time.Time
	Unique   bool // see Record.Unique
	Again    Key  // see Record.AgainKey
	Twice    bool // whether there is an Again
}

// ParseIdentity returns the identity of a record without decoding the rest.
func ParseIdentity(kind Kind, payload []byte) (Identity, error) {
	var id Identity
	var named, elsewhere bool
	var scope, caller, again []byte
	err := eachField(payload, func(f field) error {
		switch f.number {
		case fieldKey:
			return f.array(id.Key[:])
		case fieldDigest:
			return f.array(id.Digest[:])
		case fieldEventID:
			named = len(f.bytes) > 0
		case fieldDestination:
			elsewhere = len(f.bytes) > 0
		case fieldReceived:
			id.Received = time.Unix(0, int64(f.value)).UTC()
		case fieldScope:
			scope = f.bytes
		case fieldCaller:
			caller = f.bytes
		case fieldIdempotency:
			again = f.bytes
		}
		return nil
	})
	aside := setAside(kind, elsewhere)
	id.Unique = named && (kind == KindEvent || aside)
	if id.Twice = len(again) > 0 && !aside; id.Twice {
		if len(scope) == 0 {
			scope = caller
		}
		id.Again = AgainKeyOf(string(scope), string(again))
	}
	return id, err
}

func (r *Record) setField(f field) error {
	switch f.number {
	case fieldDigest:
		return f.array(r.Digest[:])
	case fieldScope:
		r.Scope = string(f.bytes)
	case fieldEventID:
		r.Event.ID = string(f.bytes)
	case fieldEventName:
		r.Event.Name = string(f.bytes)
	case fieldEventType:
		r.Event.Type = daybook.Type(f.bytes)
	case fieldActorID:
		r.Event.Actor = string(f.bytes)
	case fieldSeconds:
		r.Event.Time = time.Unix(unzigzag(f.value), int64(r.Event.Time.Nanosecond())).UTC()
	case fieldNanos:
		r.Event.Time = time.Unix(r.Event.Time.Unix(), int64(f.value%1e9)).UTC()
	case fieldMetadata:
		r.Event.Metadata = append([]byte{}, f.bytes...)
	case fieldIdempotency:
		r.Event.IdempotencyKey = string(f.bytes)
	case fieldSampleRate:
		r.Event.SampleRate = math.Float64frombits(f.value)
	case fieldCaller:
		r.Caller = string(f.bytes)
	case fieldProtocol:
		r.Protocol = string(f.bytes)
	case fieldInstance:
		r.Instance = string(f.bytes)
	case fieldReceived:
		r.Received = time.Unix(0, int64(f.value)).UTC()
	case fieldStoreOnly:
		r.StoreOnly = f.value != 0
	case fieldAwaited:
		r.Awaited = append(r.Awaited, string(f.bytes))
	case fieldCount:
		return r.addCount(f.bytes)
	default:
		r.setVerdict(f)
	}
	return nil
}

// setVerdict sets the fields that a refusal, a settlement and a summary share.
func (r *Record) setVerdict(f field) {
	switch {
	case r.Refusal != nil:
		switch f.number {
		case fieldCode:
			r.Refusal.Code = daybook.Code(f.value)
		case fieldReason:
			r.Refusal.Reason = string(f.bytes)
		case fieldField:
			r.Refusal.Field = string(f.bytes)
		case fieldMessage:
			r.Refusal.Message = string(f.bytes)
		case fieldDestination:
			r.Refusal.Destination = string(f.bytes)
		case fieldAttempts:
			r.Refusal.Attempts = uint32(f.value)
		case fieldEventPosition:
			r.Refusal.Position = Position(f.value)
		}
	case r.Settlement != nil:
		switch f.number {
		case fieldEventPosition:
			r.Settlement.Position = Position(f.value)
		case fieldDestination:
			r.Settlement.Destination = string(f.bytes)
		case fieldStatus:
			r.Settlement.Status = daybook.Status(f.value)
		case fieldReason:
			r.Settlement.Reason = string(f.bytes)
		}
	case r.Kind == KindSummary && f.number == fieldEventPosition:
		r.Through = Position(f.value)
	}
}

func (r *Record) addCount(payload []byte) error {
	var c Count
	err := eachField(payload, func(f field) error {
		switch f.number {
		case fieldCaller:
			c.Caller = string(f.bytes)
		case fieldReason:
			c.Reason = string(f.bytes)
		case fieldStatus:
			c.Status = daybook.Status(f.value)
		case fieldEvents:
			c.Events = f.value
		}
		return nil
	})
	r.Summary = append(r.Summary, c)
	return err
}
