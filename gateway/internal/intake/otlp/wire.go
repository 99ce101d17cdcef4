package otlp

import "google.golang.org/protobuf/encoding/protowire"

// A message reads the fields of one message in their order.
type message struct {
	rest   []byte
	broken bool // it is no message

	number protowire.Number
	typ    protowire.Type
	bytes  []byte // of a field that has a length
	n      uint64 // of a number
}

// next reads the next field. False means that there is none.
func (m *message) next() bool {
	if len(m.rest) == 0 || m.broken {
		return false
	}
	number, typ, n := protowire.ConsumeTag(m.rest)
	if n < 0 {
		m.broken = true
		return false
	}
	m.number, m.typ, m.bytes, m.rest = number, typ, nil, m.rest[n:]
	switch typ {
	case protowire.BytesType:
		m.bytes, n = protowire.ConsumeBytes(m.rest)
	case protowire.VarintType:
		m.n, n = protowire.ConsumeVarint(m.rest)
	case protowire.Fixed64Type:
		m.n, n = protowire.ConsumeFixed64(m.rest)
	case protowire.Fixed32Type:
		var short uint32
		short, n = protowire.ConsumeFixed32(m.rest)
		m.n = uint64(short)
	default:
		n = protowire.ConsumeFieldValue(number, typ, m.rest)
	}
	if n < 0 {
		m.broken = true
		return false
	}
	m.rest = m.rest[n:]
	return true
}

// is reports whether the field read last is that one.
func (m *message) is(number protowire.Number, typ protowire.Type) bool {
	return m.number == number && m.typ == typ
}

// each reads m to its end.
func (d *decoder) each(m *message) bool {
	if d.stop != nil {
		return false
	}
	if m.next() {
		return true
	}
	if m.broken {
		d.halt(refusal("", reasonInvalidProtobuf, "the request is not a valid ExportLogsServiceRequest"))
	}
	return false
}
