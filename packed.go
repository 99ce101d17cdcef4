package daybook

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"time"
	"unsafe"
)

// A packed event is one as queues and spools hold it: a head of fixed size,
// then the texts and the metadata. docs/spool-format.md is the format.
//
//	0  size of the whole    4 version   5 flags
//	8  seconds since 1970  16 nanoseconds  20 sample rate
//	28 six lengths: id, name, type, actor, idempotency key, metadata
const (
	packedHead    = 52
	packedVersion = 1
	packedTimed   = 1 // flag: the event has a time

	packedLengths = 28
	packedTexts   = 5
)

// appendPacked appends e without its metadata, whose length must be added by
// closePacked once it stands behind.
func appendPacked(dst []byte, e *Event) []byte {
	start := len(dst)
	var head [packedHead]byte
	head[4] = packedVersion
	if !e.Time.IsZero() {
		head[5] = packedTimed
		binary.LittleEndian.PutUint64(head[8:], uint64(e.Time.Unix()))
		binary.LittleEndian.PutUint32(head[16:], uint32(e.Time.Nanosecond()))
	}
	binary.LittleEndian.PutUint64(head[20:], math.Float64bits(e.SampleRate))
	for i, text := range [packedTexts]string{e.ID, e.Name, string(e.Type), e.Actor, e.IdempotencyKey} {
		binary.LittleEndian.PutUint32(head[packedLengths+4*i:], uint32(len(text)))
	}
	dst = append(dst, head[:]...)
	dst = append(dst, e.ID...)
	dst = append(dst, e.Name...)
	dst = append(dst, e.Type...)
	dst = append(dst, e.Actor...)
	dst = append(dst, e.IdempotencyKey...)
	return closePacked(dst, start, len(dst))
}

// closePacked writes the lengths of the packed event that begins at start and
// whose metadata begins at metadata and reaches to the end.
func closePacked(b []byte, start, metadata int) []byte {
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start))
	binary.LittleEndian.PutUint32(b[start+packedLengths+4*packedTexts:], uint32(len(b)-metadata))
	return b
}

// packedSize is the size of the packed event at the start of b, or 0 where
// there is none.
func packedSize(b []byte) int {
	if len(b) < packedHead {
		return 0
	}
	size := int(binary.LittleEndian.Uint32(b))
	if size < packedHead || size > len(b) {
		return 0
	}
	return size
}

// unpack returns the packed event at the start of b and its size; 0 where there
// is none that this version reads. The event lives in b: it is gone when b is
// used again.
func unpack(b []byte) (e Event, size int) {
	size = packedSize(b)
	if size == 0 || b[4] != packedVersion {
		return Event{}, 0
	}
	rest := b[packedHead:size]
	var parts [packedTexts + 1][]byte
	for i := range parts {
		n := int(binary.LittleEndian.Uint32(b[packedLengths+4*i:]))
		if n > len(rest) {
			return Event{}, 0
		}
		parts[i], rest = rest[:n:n], rest[n:]
	}
	if len(rest) > 0 {
		return Event{}, 0
	}
	e = Event{
		ID: view(parts[0]), Name: view(parts[1]), Type: Type(view(parts[2])),
		Actor: view(parts[3]), IdempotencyKey: view(parts[4]),
		SampleRate: math.Float64frombits(binary.LittleEndian.Uint64(b[20:])),
	}
	if len(parts[5]) > 0 {
		e.Metadata = json.RawMessage(parts[5])
	}
	if b[5]&packedTimed != 0 {
		e.Time = time.Unix(int64(binary.LittleEndian.Uint64(b[8:])), int64(binary.LittleEndian.Uint32(b[16:]))).UTC()
	}
	return e, size
}

// view returns b as a text without copying it. Sinks must not keep events, and
// that is what makes a recorded event cost no allocation.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // audited: who uses it knows when b is used again

// unpackAll appends the events in b to events, and where each begins to
// offsets. What cannot be read ends it.
func unpackAll(b []byte, events []Event, offsets []int) ([]Event, []int) {
	for at := 0; at < len(b); {
		e, size := unpack(b[at:])
		if size == 0 {
			break
		}
		events, offsets = append(events, e), append(offsets, at)
		at += size
	}
	return events, offsets
}
