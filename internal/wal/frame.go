package wal

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	frameSize = 32
	alignment = 8

	// MaxPayload is the longest payload of a record. It bounds what a reader
	// allocates for one.
	MaxPayload = 64 << 20

	// maxBefore is what three bytes can say. A write that is longer counts as
	// several, so what is missing in it may be called damage.
	maxBefore = 1<<24 - 1
)

// A Record is one record of a chunk.
type Record struct {
	Sequence uint64
	Kind     uint8 // not zero; what it means is the caller's
	Offset   int64 // where it begins, as a Scanner found it
	Payload  []byte

	before uint64 // how many records of the same write stand before it
}

// A frame is the fixed part in front of a payload.
type frame struct {
	payloadCheck uint32
	length       uint32
	kind         uint8
	before       uint32 // records of the same write before it; maxBefore = so many or more
	chunk        uint64
	sequence     uint64
}

// RecordSize is the number of bytes that a record with a payload of n bytes
// takes in a chunk.
func RecordSize(n int) int { return frameSize + (n+alignment-1)&^(alignment-1) }

// appendRecord appends a framed record. check is the payload's Checksum, which
// the caller may have computed where more than one processor can.
func appendRecord(dst []byte, seed uint32, f frame, payload []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	dst = binary.LittleEndian.AppendUint32(dst, f.payloadCheck)
	dst = binary.LittleEndian.AppendUint32(dst, f.length)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(f.kind)|f.before<<8)
	dst = binary.LittleEndian.AppendUint64(dst, f.chunk)
	dst = binary.LittleEndian.AppendUint64(dst, f.sequence)
	written := dst[start : start+frameSize]
	binary.LittleEndian.PutUint32(written, crc32.Update(seed, castagnoli, written[4:]))
	dst = append(dst, payload...)
	var zeros [alignment]byte
	return append(dst, zeros[:RecordSize(len(payload))-frameSize-len(payload)]...)
}

// parseFrame returns the frame at the start of b, which has frameSize bytes,
// and false where there is none of this chunk.
func parseFrame(b []byte, seed uint32, chunk uint64) (frame, bool) {
	b = b[:frameSize]
	f := frame{
		payloadCheck: binary.LittleEndian.Uint32(b[4:]),
		length:       binary.LittleEndian.Uint32(b[8:]),
		kind:         b[12],
		before:       binary.LittleEndian.Uint32(b[12:]) >> 8,
		chunk:        binary.LittleEndian.Uint64(b[16:]),
		sequence:     binary.LittleEndian.Uint64(b[24:]),
	}
	// The cheap comparison first: a search looks at every eighth byte.
	if f.chunk != chunk || f.kind == 0 || f.length > MaxPayload {
		return frame{}, false
	}
	return f, binary.LittleEndian.Uint32(b) == crc32.Update(seed, castagnoli, b[4:])
}
