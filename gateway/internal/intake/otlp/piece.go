package otlp

import (
	"daybook.dev"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// The levels of what records have, where the metadata object is level 1.
const (
	bodyLevel      = 2 // the body, when it is an object
	attributeLevel = 3 // inside the object of attributes
	resourceLevel  = 4 // inside the attributes of a resource or a scope
)

// piece notes what write appends to the parts.
func (d *decoder) piece(write func()) span {
	start := len(d.parts)
	write()
	return span{uint32(start), uint32(len(d.parts))}
}

// body notes the body that read appends. One of no type, which some encoders
// write for none, is none.
func (d *decoder) body(read func()) span {
	s := d.piece(read)
	if string(d.at(s)) == "null" {
		return span{}
	}
	return s
}

// member appends a member with a text, behind a comma; none for no text.
func (d *decoder) member(name string, text []byte) {
	if len(text) == 0 {
		return
	}
	d.label(name)
	d.quote(text)
}

// number appends a member with a number, behind a comma; none for 0.
func (d *decoder) number(name string, n uint32) {
	if n != 0 {
		d.label(name)
		d.int(int64(n))
	}
}

func (d *decoder) label(name string) {
	const around = len(`,"":`)
	if room(d, &d.parts, around+len(name)) {
		d.parts = append(append(append(d.parts, `,"`...), name...), `":`...)
	}
}

// enterMember begins a member that is an object.
func (d *decoder) enterMember(name string) (o object, mark int) {
	mark = len(d.parts)
	d.label(name)
	return d.enter(), mark
}

// leaveMember ends such a member. Without members of its own it is left out.
func (d *decoder) leaveMember(o object, mark int) {
	empty := len(d.keys) == o.keys
	d.leave(o)
	d.forget(o)
	if empty {
		d.parts = d.parts[:mark]
	}
}

// element begins an element of a list: label comes before the first.
func (d *decoder) element(count int, label string) {
	if count > 0 {
		label = ","
	}
	d.literal(label)
}

// endElements ends a list of that many elements; of none nothing was written.
func (d *decoder) endElements(count int) {
	if count > 0 {
		d.literal("]")
	}
}

// closeMembers makes an object of the members written from start on, each behind
// a comma.
func (d *decoder) closeMembers(start int) {
	if len(d.parts) == start {
		d.literal("{}")
		return
	}
	d.parts[start] = '{'
	d.literal("}")
}

// origin is what was read of a resource or a scope, written from start on.
func (d *decoder) origin(start int) origin {
	o := origin{span{uint32(start), uint32(len(d.parts))}, d.flaw}
	if d.flaw != nil {
		d.parts = d.parts[:start]
		o.text = span{}
	}
	return o
}

// end notes a record that was read. Of one that is refused nothing is kept.
func (d *decoder) end(r *record) {
	last := &d.records[len(d.records)-1]
	r.scope, r.flaw = last.scope, d.flaw
	*last = *r
	d.keys = d.keys[:0]
}

// leaveAttributes ends the attributes of a record and takes from them what
// events have of their own.
func (d *decoder) leaveAttributes(o object, r *record) {
	d.leave(o)
	if !d.done() {
		for _, key := range d.keys[o.keys:] {
			d.attribute(key, r)
		}
	}
	d.forget(o)
}

// attribute looks at one attribute of a record. The first of the names that
// stand for one thing counts.
func (d *decoder) attribute(key span, r *record) {
	switch string(d.at(key)) {
	case `"event.name"`:
		d.prefer(&r.name, key, false, stringsOnly)
	case `"event.type"`:
		d.prefer(&r.typ, key, true, stringsOnly)
	case `"log.record.uid"`:
		d.prefer(&r.id, key, true, stringsOnly)
	case `"event.id"`:
		d.prefer(&r.id, key, false, stringsOnly)
	case `"user.id"`:
		d.prefer(&r.actor, key, true, numbersToo)
	case `"enduser.id"`:
		d.prefer(&r.actor, key, false, numbersToo)
	}
}

const stringsOnly, numbersToo = false, true

// prefer takes a text of the event from the attribute behind key. Where there is
// one already, only a better one replaces it.
func (d *decoder) prefer(dst *span, key span, better, numbers bool) {
	if dst.start != dst.end && !better {
		return
	}
	value := d.parts[key.end+1:] // behind the colon
	switch c := value[0]; {
	case c == '"':
		value = value[:stringEnd(value)]
		*dst = d.text(strictjson.AppendText(nil, value))
	case numbers && (c == '-' || c-'0' <= 9):
		end := 1
		for end < len(value) && value[end]-'0' <= 9 {
			end++
		}
		if c := value[end]; c == ',' || c == '}' { // an int
			*dst = d.text(value[:end])
		}
	}
}

// stringEnd is where the JSON string that text begins with ends.
func stringEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// refused is why a record is refused before it is an event: for itself, its
// scope or its resource.
func (d *decoder) refused(r *record) *daybook.Error {
	scope := &d.scopes[r.scope]
	for _, flaw := range [...]*daybook.Error{r.flaw, scope.flaw, d.resources[scope.resource].flaw} {
		if flaw != nil {
			return flaw
		}
	}
	return nil
}
