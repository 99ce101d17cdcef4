package otlp

import (
	"bytes"
	"fmt"
	"strings"

	"daybook.dev/gateway/internal/intake/strictjson"
)

// A member is one that OTLP's messages have, in the spelling of JSON or, as many
// readers take it too, in that of Protocol Buffers. Which message has which is
// known where they are read.
type member uint8

const (
	unknownMember member = iota // passed over, as OTLP has it
	attributesMember
	arrayValueMember
	bodyMember
	boolValueMember
	bytesValueMember
	descriptionKeysMember
	doubleValueMember
	droppedMember
	entityRefsMember
	eventNameMember
	flagsMember
	idKeysMember
	intValueMember
	keyMember
	kvlistValueMember
	logRecordsMember
	nameMember
	observedMember
	resourceMember
	resourceLogsMember
	schemaURLMember
	scopeMember
	scopeLogsMember
	severityNumberMember
	severityTextMember
	spanIDMember
	stringValueMember
	timeMember
	traceIDMember
	typeMember
	valueMember
	valuesMember
	versionMember
)

var members = map[string]member{
	"attributes": attributesMember, "body": bodyMember, "flags": flagsMember, "key": keyMember, "name": nameMember,
	"resource": resourceMember, "scope": scopeMember, "type": typeMember, "value": valueMember, "values": valuesMember, "version": versionMember,
	"arrayValue": arrayValueMember, "array_value": arrayValueMember,
	"boolValue": boolValueMember, "bool_value": boolValueMember,
	"bytesValue": bytesValueMember, "bytes_value": bytesValueMember,
	"descriptionKeys": descriptionKeysMember, "description_keys": descriptionKeysMember,
	"doubleValue": doubleValueMember, "double_value": doubleValueMember,
	"droppedAttributesCount": droppedMember, "dropped_attributes_count": droppedMember,
	"entityRefs": entityRefsMember, "entity_refs": entityRefsMember,
	"eventName": eventNameMember, "event_name": eventNameMember,
	"idKeys": idKeysMember, "id_keys": idKeysMember,
	"intValue": intValueMember, "int_value": intValueMember,
	"kvlistValue": kvlistValueMember, "kvlist_value": kvlistValueMember,
	"logRecords": logRecordsMember, "log_records": logRecordsMember,
	"observedTimeUnixNano": observedMember, "observed_time_unix_nano": observedMember,
	"resourceLogs": resourceLogsMember, "resource_logs": resourceLogsMember,
	"schemaUrl": schemaURLMember, "schema_url": schemaURLMember,
	"scopeLogs": scopeLogsMember, "scope_logs": scopeLogsMember,
	"severityNumber": severityNumberMember, "severity_number": severityNumberMember,
	"severityText": severityTextMember, "severity_text": severityTextMember,
	"spanId": spanIDMember, "span_id": spanIDMember,
	"stringValue": stringValueMember, "string_value": stringValueMember,
	"timeUnixNano": timeMember, "time_unix_nano": timeMember,
	"traceId": traceIDMember, "trace_id": traceIDMember,
}

// String is how OTLP spells the member. The request as a whole has no name.
func (m member) String() string {
	for name, known := range members {
		if known == m && !strings.Contains(name, "_") {
			return name
		}
	}
	return "the request"
}

// json reads a request from OTLP's JSON: that of Protocol Buffers, but for ids,
// which are hexadecimal, and enums, which are numbers.
func (d *decoder) json(body []byte) {
	if bytes.HasPrefix(body, []byte("\uFEFF")) {
		d.halt(refusal("", reasonByteOrderMark, "the request begins with a byte order mark; write UTF-8 without one"))
		return
	}
	d.scan.Reset(body)
	d.last = unknownMember
	d.object(func(m member) {
		if m == resourceLogsMember {
			d.list(d.jsonResourceLogs)
			return
		}
		d.skip()
	})
	d.scan.End()
	d.whole()
}

// whole refuses the request for what is wrong with its text outside of any
// record, resource or scope.
func (d *decoder) whole() {
	problem := d.scan.Broken()
	if !problem.Is() {
		problem = d.scan.Flaw()
	}
	switch {
	case problem.Is():
		d.halt(refusal("", problem.Reason, fmt.Sprintf("the request is not acceptable JSON: %s, at byte %d; nothing of it was stored", problem.What, problem.Offset)))
	case d.flaw != nil:
		d.halt(d.flaw)
	}
}

// own notes what was wrong with the record, resource or scope that was read
// last, so that it concerns nothing else.
func (d *decoder) own() {
	p := d.scan.Flaw()
	d.scan.Forget()
	switch {
	case !p.Is() || d.scan.Broken().Is():
	case p.Reason == strictjson.TooManyNames:
		d.flaw = refusal("", reasonEventTooLarge, p.What)
	case p.Reason == strictjson.DuplicateName:
		d.flaw = refusal(p.Name, p.Reason, fmt.Sprintf("%q stands twice in one object, again at byte %d", p.Name, p.Offset))
	default:
		d.flaw = refusal("", p.Reason, fmt.Sprintf("%s, at byte %d", p.What, p.Offset))
	}
}

func (d *decoder) jsonResourceLogs() {
	index, before := len(d.resources), len(d.records)
	if !d.charge(originBytes) {
		return
	}
	d.resources = append(d.resources, origin{})
	var schema span
	d.object(func(m member) {
		switch m {
		case resourceMember:
			d.apart(&d.resources[index], d.jsonResource)
		case scopeLogsMember:
			d.list(func() { d.jsonScopeLogs(index) })
		case schemaURLMember:
			schema = d.piece(func() { d.textMember("schema_url") })
		default:
			d.skip()
		}
	})
	if len(d.records) == before {
		d.resources = d.resources[:index]
		return
	}
	d.join(&d.resources[index], schema)
}

func (d *decoder) jsonScopeLogs(resource int) {
	index, before := len(d.scopes), len(d.records)
	if !d.charge(originBytes) {
		return
	}
	d.scopes = append(d.scopes, scope{resource: resource})
	var schema span
	d.object(func(m member) {
		switch m {
		case scopeMember:
			d.apart(&d.scopes[index].origin, d.jsonScope)
		case logRecordsMember:
			d.list(func() { d.jsonRecord(index) })
		case schemaURLMember:
			schema = d.piece(func() { d.textMember("schema_url") })
		default:
			d.skip()
		}
	})
	if len(d.records) == before {
		d.scopes = d.scopes[:index]
		return
	}
	d.join(&d.scopes[index].origin, schema)
}

// apart reads a resource or a scope, whose flaws are its own.
func (d *decoder) apart(o *origin, read func()) {
	d.whole()
	start := len(d.parts)
	read()
	d.own()
	*o = d.origin(start)
	d.flaw = nil
}

// join adds a member to those of a resource or a scope, wherever they are.
func (d *decoder) join(o *origin, member span) {
	if member.start == member.end || o.flaw != nil {
		return
	}
	if !room(d, &d.parts, int(o.text.end-o.text.start)+int(member.end-member.start)) {
		return
	}
	start := uint32(len(d.parts))
	d.parts = append(append(d.parts, d.at(o.text)...), d.at(member)...)
	o.text = span{start, uint32(len(d.parts))}
}

func (d *decoder) jsonResource() {
	d.object(func(m member) {
		switch m {
		case attributesMember:
			d.attributesMember()
		case droppedMember:
			d.countMember()
		case entityRefsMember:
			count := 0
			d.list(func() {
				d.element(count, `,"entity_refs":[`)
				count++
				d.jsonEntity()
			})
			d.endElements(count)
		default:
			d.skip()
		}
	})
}

func (d *decoder) jsonScope() {
	d.object(func(m member) {
		switch m {
		case nameMember:
			d.textMember("name")
		case versionMember:
			d.textMember("version")
		case attributesMember:
			d.attributesMember()
		case droppedMember:
			d.countMember()
		default:
			d.skip()
		}
	})
}

func (d *decoder) jsonEntity() {
	start := len(d.parts)
	d.object(func(m member) {
		switch m {
		case schemaURLMember:
			d.textMember("schema_url")
		case typeMember:
			d.textMember("type")
		case idKeysMember:
			d.textList(`,"id_keys":[`)
		case descriptionKeysMember:
			d.textList(`,"description_keys":[`)
		default:
			d.skip()
		}
	})
	d.closeMembers(start)
}

// attributesMember reads the attributes of a resource or a scope.
func (d *decoder) attributesMember() {
	o, mark := d.enterMember("attributes")
	d.list(func() { d.jsonKeyValue(o, resourceLevel) })
	d.leaveMember(o, mark)
}

func (d *decoder) countMember() {
	d.number("dropped_attributes_count", d.jsonUint32("droppedAttributesCount"))
}

func (d *decoder) textMember(name string) {
	if text, ok := d.jsonText(name); ok {
		d.member(name, text)
	}
}

func (d *decoder) textList(label string) {
	count := 0
	d.list(func() {
		if text, ok := d.jsonText("a key"); ok {
			d.element(count, label)
			d.quote(text)
			count++
		}
	})
	d.endElements(count)
}
