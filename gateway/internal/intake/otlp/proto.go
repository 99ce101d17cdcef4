package otlp

import (
	"fmt"

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

// id takes a trace's or span's id from its bytes. Nothing and zeros are none.
func (d *decoder) id(name string, dst, id []byte) {
	if len(id) != 0 && len(id) != len(dst) {
		d.refuse(name, reasonInvalidValue, fmt.Sprintf("%s has %d bytes, and must have %d", name, len(id), len(dst)))
		return
	}
	copy(dst, id)
}
