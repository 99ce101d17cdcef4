package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Wire types of Protocol Buffers.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// A field is one decoded field: value for numbers, bytes for the rest.
type field struct {
	number uint64
	value  uint64
	bytes  []byte
}

func (f field) array(dst []byte) error {
	if len(f.bytes) != len(dst) {
		return fmt.Errorf("store: field %d has %d bytes, not %d", f.number, len(f.bytes), len(dst))
	}
	copy(dst, f.bytes)
	return nil
}

var errPayload = errors.New("store: payload ends inside a field")

// eachField calls set for each field of a message, in the order written.
func eachField(b []byte, set func(field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return errPayload
		}
		b = b[n:]
		f := field{number: tag >> 3}
		switch tag & 7 {
		case wireVarint:
			if f.value, n = binary.Uvarint(b); n <= 0 {
				return errPayload
			}
		case wireFixed64:
			if n = 8; len(b) < n {
				return errPayload
			}
			f.value = binary.LittleEndian.Uint64(b)
		case wireFixed32:
			if n = 4; len(b) < n {
				return errPayload
			}
			f.value = uint64(binary.LittleEndian.Uint32(b))
		case wireBytes:
			size, m := binary.Uvarint(b)
			if m <= 0 || size > uint64(len(b)-m) {
				return errPayload
			}
			f.bytes, n = b[m:m+int(size)], m+int(size)
		default:
			return fmt.Errorf("store: field %d has wire type %d", f.number, tag&7)
		}
		b = b[n:]
		if err := set(f); err != nil {
			return err
		}
	}
	return nil
}

func appendText(dst []byte, number uint64, s string) []byte {
	if s == "" {
		return dst
	}
	dst = binary.AppendUvarint(dst, number<<3|wireBytes)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendBytes(dst []byte, number uint64, b []byte) []byte {
	dst = binary.AppendUvarint(dst, number<<3|wireBytes)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func appendUint(dst []byte, number, v uint64) []byte {
	dst = binary.AppendUvarint(dst, number<<3|wireVarint)
	return binary.AppendUvarint(dst, v)
}

func appendFixed64(dst []byte, number, v uint64) []byte {
	dst = binary.AppendUvarint(dst, number<<3|wireFixed64)
	return binary.LittleEndian.AppendUint64(dst, v)
}

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
