package otlp

import (
	"encoding/hex"
	"fmt"
)

func (d *decoder) jsonRecord(scope int) {
	d.whole()
	if !d.begin(scope) {
		return
	}
	var r record
	d.object(func(m member) { d.recordMember(&r, m) })
	d.own()
	d.end(&r)
	d.flaw = nil
}

func (d *decoder) recordMember(r *record, m member) {
	switch m {
	case timeMember:
		r.time = d.jsonUint64("timeUnixNano")
	case observedMember:
		r.observed = d.jsonUint64("observedTimeUnixNano")
	case severityNumberMember:
		r.severity = int32(d.jsonInt("severityNumber", 32))
	case severityTextMember:
		if text, ok := d.jsonText("severityText"); ok && len(text) > 0 {
			r.severityText = d.piece(func() { d.quote(text) })
		}
	case bodyMember:
		r.body = d.body(func() { d.jsonValue(bodyLevel) })
	case attributesMember:
		d.recordAttributes(r)
	case droppedMember:
		r.dropped = d.jsonUint32("droppedAttributesCount")
	case flagsMember:
		r.flags = d.jsonUint32("flags")
	case traceIDMember:
		d.jsonID("traceId", r.trace[:])
	case spanIDMember:
		d.jsonID("spanId", r.span[:])
	case eventNameMember:
		if text, ok := d.jsonText("eventName"); ok && len(text) > 0 {
			r.name = d.text(text)
		}
	default:
		d.skip()
	}
}

func (d *decoder) recordAttributes(r *record) {
	start := len(d.parts)
	o := d.enter()
	d.list(func() { d.jsonKeyValue(o, attributeLevel) })
	if len(d.keys) == o.keys {
		d.parts = d.parts[:start]
		return
	}
	d.leaveAttributes(o, r)
	r.attributes = span{uint32(start), uint32(len(d.parts))}
}

// jsonID takes a trace's or span's id from its hexadecimal form. Nothing and
// zeros are none.
func (d *decoder) jsonID(name string, dst []byte) {
	text, ok := d.jsonText(name)
	if !ok || len(text) == 0 {
		return
	}
	if len(text) == hex.EncodedLen(len(dst)) {
		if _, err := hex.Decode(dst, text); err == nil {
			return
		}
	}
	clear(dst)
	d.refuse(name, reasonInvalidValue, fmt.Sprintf("%s must have %d hexadecimal digits", name, hex.EncodedLen(len(dst))))
}
