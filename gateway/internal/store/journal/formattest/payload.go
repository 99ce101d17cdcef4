package formattest

import (
	"encoding/binary"
	"errors"
)

// A Payload is a record's payload: for each field number its value. Those of
// wire type 0 and 1 are numbers, those of 2 are bytes.
type Payload struct {
	Numbers map[int]uint64
	Bytes   map[int][]byte
	Awaited []string  // field 28
	Counts  []Payload // of field 25
}

var errPayload = errors.New("payload is not a message")

// Parse parses a payload.
func Parse(b []byte) (Payload, error) {
	p := Payload{Numbers: map[int]uint64{}, Bytes: map[int][]byte{}}
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return p, errPayload
		}
		b = b[n:]
		var err error
		if b, err = p.field(int(tag>>3), int(tag&7), b); err != nil {
			return p, err
		}
	}
	return p, nil
}

// field parses one value and returns what follows it.
func (p *Payload) field(number, wire int, b []byte) ([]byte, error) {
	switch wire {
	case 0:
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errPayload
		}
		p.Numbers[number] = v
		return b[n:], nil
	case 1:
		if len(b) < 8 {
			return nil, errPayload
		}
		p.Numbers[number] = binary.LittleEndian.Uint64(b)
		return b[8:], nil
	case 2:
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, errPayload
		}
		value, rest := b[n:n+int(size)], b[n+int(size):]
		return rest, p.add(number, value)
	}
	return nil, errPayload // the format has no other wire types
}

// add adds a value of wire type 2.
func (p *Payload) add(number int, value []byte) error {
	switch number {
	case 25:
		count, err := Parse(value)
		p.Counts = append(p.Counts, count)
		return err
	case 28:
		p.Awaited = append(p.Awaited, string(value))
		return nil
	}
	p.Bytes[number] = value
	return nil
}
