package otlp

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// protoKeyValue reads one member of o; level is that of its value.
func (d *decoder) protoKeyValue(body []byte, o object, level int) {
	var key, value []byte
	m := message{rest: body}
	for d.each(&m) {
		switch {
		case m.is(keyValueKey, protowire.BytesType):
			key = m.bytes
		case m.is(keyValueValue, protowire.BytesType):
			value = m.bytes
		}
	}
	if d.done() {
		return
	}
	d.key(o, key)
	d.protoValue(value, level)
}

// protoValue reads a value of any type; level is the one that it has if it is
// an object or an array. One of no type is null.
func (d *decoder) protoValue(body []byte, level int) {
	var last message
	m := message{rest: body}
	for d.each(&m) {
		switch {
		case m.is(valueString, protowire.BytesType), m.is(valueBytes, protowire.BytesType),
			m.is(valueArray, protowire.BytesType), m.is(valueKvlist, protowire.BytesType),
			m.is(valueBool, protowire.VarintType), m.is(valueInt, protowire.VarintType), m.is(valueDouble, protowire.Fixed64Type):
			last = m
		}
	}
	if d.done() {
		return
	}
	switch last.number {
	case valueString:
		d.quote(last.bytes)
	case valueBool:
		d.bool(protowire.DecodeBool(last.n))
	case valueInt:
		d.int(int64(last.n))
	case valueDouble:
		d.double(math.Float64frombits(last.n), level)
	case valueArray:
		d.protoArray(last.bytes, level)
	case valueKvlist:
		d.protoKvlist(last.bytes, level)
	case valueBytes:
		d.bytes(last.bytes, level)
	default:
		d.literal("null")
	}
}

func (d *decoder) protoArray(body []byte, level int) {
	if !d.deeper(level) {
		return
	}
	d.literal("[")
	first := true
	m := message{rest: body}
	for d.each(&m) && !d.done() {
		if !m.is(listValues, protowire.BytesType) {
			continue
		}
		if !first {
			d.literal(",")
		}
		first = false
		d.protoValue(m.bytes, level+1)
	}
	d.literal("]")
}

func (d *decoder) protoKvlist(body []byte, level int) {
	if !d.deeper(level) {
		return
	}
	o := d.enter()
	m := message{rest: body}
	for d.each(&m) && !d.done() {
		if m.is(listValues, protowire.BytesType) {
			d.protoKeyValue(m.bytes, o, level+1)
		}
	}
	d.leaveValue(o)
}
