package otlp

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields that are read, by message. Others are passed over,
// as Protocol Buffers have it; so are fields of another wire type. Where a field
// that is no list is there twice, which no encoder writes, the last one counts.
const (
	requestResourceLogs = 1

	resourceLogsResource  = 1
	resourceLogsScopeLogs = 2
	resourceLogsSchemaURL = 3

	resourceAttributes = 1
	resourceDropped    = 2
	resourceEntityRefs = 3

	entitySchemaURL       = 1
	entityType            = 2
	entityIDKeys          = 3
	entityDescriptionKeys = 4

	scopeLogsScope     = 1
	scopeLogsRecords   = 2
	scopeLogsSchemaURL = 3

	scopeName       = 1
	scopeVersion    = 2
	scopeAttributes = 3
	scopeDropped    = 4

	recordTime         = 1 // fixed64
	recordSeverity     = 2
	recordSeverityText = 3
	recordBody         = 5
	recordAttributes   = 6
	recordDropped      = 7
	recordFlags        = 8 // fixed32
	recordTraceID      = 9
	recordSpanID       = 10
	recordObserved     = 11 // fixed64
	recordEventName    = 12

	keyValueKey   = 1
	keyValueValue = 2

	valueString = 1
	valueBool   = 2
	valueInt    = 3
	valueDouble = 4 // fixed64
	valueArray  = 5
	valueKvlist = 6
	valueBytes  = 7

	listValues = 1 // of an array, and of a list of keys with values
)

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

// proto reads a request from Protocol Buffers.
func (d *decoder) proto(body []byte) {
	m := message{rest: body}
	for d.each(&m) {
		if m.is(requestResourceLogs, protowire.BytesType) {
			d.protoResourceLogs(m.bytes)
		}
	}
}

// protoResourceLogs reads the records of one resource, and the resource when
// there are any.
func (d *decoder) protoResourceLogs(body []byte) {
	var resource, schema []byte
	index, before := len(d.resources), len(d.records)
	if !d.charge(originBytes) {
		return
	}
	d.resources = append(d.resources, origin{})
	m := message{rest: body}
	for d.each(&m) {
		switch {
		case m.is(resourceLogsResource, protowire.BytesType):
			resource = m.bytes
		case m.is(resourceLogsScopeLogs, protowire.BytesType):
			d.protoScopeLogs(m.bytes, index)
		case m.is(resourceLogsSchemaURL, protowire.BytesType):
			schema = m.bytes
		}
	}
	if len(d.records) == before {
		d.resources = d.resources[:index]
		return
	}
	d.flaw = nil
	start := len(d.parts)
	d.protoResource(resource)
	d.member("schema_url", schema)
	d.resources[index] = d.origin(start)
}

func (d *decoder) protoResource(body []byte) {
	var dropped uint64
	o, mark := d.enterMember("attributes")
	m := message{rest: body}
	for d.each(&m) {
		switch {
		case m.is(resourceAttributes, protowire.BytesType):
			d.protoKeyValue(m.bytes, o, resourceLevel)
		case m.is(resourceDropped, protowire.VarintType):
			dropped = m.n
		}
	}
	d.leaveMember(o, mark)
	d.number("dropped_attributes_count", uint32(dropped))
	d.protoEntities(body)
}

// protoEntities reads which attributes of a resource identify what.
func (d *decoder) protoEntities(body []byte) {
	count := 0
	m := message{rest: body}
	for d.each(&m) {
		if !m.is(resourceEntityRefs, protowire.BytesType) {
			continue
		}
		d.element(count, `,"entity_refs":[`)
		d.protoEntity(m.bytes)
		count++
	}
	d.endElements(count)
}

func (d *decoder) protoEntity(body []byte) {
	start := len(d.parts)
	for _, text := range [...]struct {
		number protowire.Number
		name   string
	}{{entitySchemaURL, "schema_url"}, {entityType, "type"}} {
		var value []byte
		m := message{rest: body}
		for d.each(&m) {
			if m.is(text.number, protowire.BytesType) {
				value = m.bytes
			}
		}
		d.member(text.name, value)
	}
	for _, list := range [...]struct {
		number protowire.Number
		label  string
	}{{entityIDKeys, `,"id_keys":[`}, {entityDescriptionKeys, `,"description_keys":[`}} {
		count := 0
		m := message{rest: body}
		for d.each(&m) {
			if m.is(list.number, protowire.BytesType) {
				d.element(count, list.label)
				d.quote(m.bytes)
				count++
			}
		}
		d.endElements(count)
	}
	d.closeMembers(start)
}

// protoScopeLogs reads the records of one scope, and the scope when there are
// any.
func (d *decoder) protoScopeLogs(body []byte, resource int) {
	var about, schema []byte
	index, before := len(d.scopes), len(d.records)
	if !d.charge(originBytes) {
		return
	}
	d.scopes = append(d.scopes, scope{resource: resource})
	m := message{rest: body}
	for d.each(&m) {
		switch {
		case m.is(scopeLogsScope, protowire.BytesType):
			about = m.bytes
		case m.is(scopeLogsRecords, protowire.BytesType):
			d.protoRecord(m.bytes, index)
		case m.is(scopeLogsSchemaURL, protowire.BytesType):
			schema = m.bytes
		}
	}
	if len(d.records) == before {
		d.scopes = d.scopes[:index]
		return
	}
	d.flaw = nil
	start := len(d.parts)
	d.protoScope(about)
	d.member("schema_url", schema)
	d.scopes[index].origin = d.origin(start)
}

func (d *decoder) protoScope(body []byte) {
	var name, version []byte
	var dropped uint64
	m := message{rest: body}
	for d.each(&m) {
		switch {
		case m.is(scopeName, protowire.BytesType):
			name = m.bytes
		case m.is(scopeVersion, protowire.BytesType):
			version = m.bytes
		case m.is(scopeDropped, protowire.VarintType):
			dropped = m.n
		}
	}
	d.member("name", name)
	d.member("version", version)
	o, mark := d.enterMember("attributes")
	m = message{rest: body}
	for d.each(&m) {
		if m.is(scopeAttributes, protowire.BytesType) {
			d.protoKeyValue(m.bytes, o, resourceLevel)
		}
	}
	d.leaveMember(o, mark)
	d.number("dropped_attributes_count", uint32(dropped))
}

// protoRecord reads one record. Its attributes may stand between its other
// fields, and are written down last.
func (d *decoder) protoRecord(body []byte, scope int) {
	if !d.begin(scope) {
		return
	}
	var r record
	var about, trace, spanID, severity, name []byte
	hasBody, attributes := false, 0
	m := message{rest: body}
	for d.each(&m) {
		switch {
		case m.is(recordAttributes, protowire.BytesType):
			attributes++
		case m.is(recordTime, protowire.Fixed64Type):
			r.time = m.n
		case m.is(recordObserved, protowire.Fixed64Type):
			r.observed = m.n
		case m.is(recordSeverity, protowire.VarintType):
			r.severity = int32(m.n)
		case m.is(recordSeverityText, protowire.BytesType):
			severity = m.bytes
		case m.is(recordBody, protowire.BytesType):
			about, hasBody = m.bytes, true
		case m.is(recordDropped, protowire.VarintType):
			r.dropped = uint32(m.n)
		case m.is(recordFlags, protowire.Fixed32Type):
			r.flags = uint32(m.n)
		case m.is(recordTraceID, protowire.BytesType):
			trace = m.bytes
		case m.is(recordSpanID, protowire.BytesType):
			spanID = m.bytes
		case m.is(recordEventName, protowire.BytesType):
			name = m.bytes
		}
	}
	d.id("trace_id", r.trace[:], trace)
	d.id("span_id", r.span[:], spanID)
	r.name = d.text(name)
	if len(severity) > 0 {
		r.severityText = d.piece(func() { d.quote(severity) })
	}
	if hasBody {
		r.body = d.body(func() { d.protoValue(about, bodyLevel) })
	}
	if attributes > 0 {
		d.protoAttributes(body, &r)
	}
	d.end(&r)
}

func (d *decoder) protoAttributes(body []byte, r *record) {
	start := len(d.parts)
	o := d.enter()
	m := message{rest: body}
	for d.each(&m) {
		if m.is(recordAttributes, protowire.BytesType) {
			d.protoKeyValue(m.bytes, o, attributeLevel)
		}
	}
	d.leaveAttributes(o, r)
	r.attributes = span{uint32(start), uint32(len(d.parts))}
}

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

// id takes a trace's or span's id from its bytes. Nothing and zeros are none.
func (d *decoder) id(name string, dst, id []byte) {
	if len(id) != 0 && len(id) != len(dst) {
		d.refuse(name, reasonInvalidValue, fmt.Sprintf("%s has %d bytes, and must have %d", name, len(id), len(dst)))
		return
	}
	copy(dst, id)
}
