// Package attrs writes slog attributes as one JSON object: what an event
// carries as its metadata. It is made for the path that every recorded event
// takes, so an [Object] is used again and again and allocates nothing for the
// ordinary kinds of values.
package attrs

import (
	"log/slog"
)

// A Field is an attribute that is JSON already. Clients and contexts keep
// fields rather than attributes, so that nothing of the caller's memory is
// kept and no caller's method runs later than it should.
type Field struct {
	Key  string
	JSON []byte // the value; nobody changes it
	Text string // the value of a text; "" for any other
}

// An Object collects attributes; of those with one key the last is written. It
// is not safe for concurrent use. The zero value is ready.
type Object struct {
	// Replaced counts the values that had no JSON of their own since Reset:
	// NaN and the infinities became null, invalid UTF-8 became U+FFFD, a value
	// whose method failed or panicked became a text that says so.
	Replaced int

	members []member
	seen    uint64 // a bit for each key of the object being collected; see bit
}

// A member is one key with its value, in either of two forms.
type member struct {
	key   string
	json  []byte // used where not nil
	text  string // of json
	value slog.Value
}

// Reset empties the object and lets go of everything it refers to.
func (o *Object) Reset() {
	clear(o.members)
	o.members, o.seen, o.Replaced = o.members[:0], 0, 0
}

// Add adds attributes. Groups without a key are taken apart; an attribute
// without a key is left out, as are the members that name the event itself.
func (o *Object) Add(list []slog.Attr) {
	for i := range list {
		o.set(0, list[i], 0)
	}
}

// AddFields adds fields.
func (o *Object) AddFields(list []Field) {
	for i := range list {
		f := &list[i]
		m := o.place(0, f.Key)
		m.json, m.text, m.value = f.JSON, f.Text, slog.Value{}
	}
}

// Text returns the text that was added last under key, or "" where that is none.
func (o *Object) Text(key string) string {
	if o.seen&bit(key) == 0 {
		return ""
	}
	for i := range o.members {
		m := &o.members[i]
		switch {
		case m.key != key:
		case m.json != nil:
			return m.text
		case m.value.Kind() == slog.KindString:
			return m.value.String()
		}
	}
	return ""
}

// AppendTo appends the object to dst; nothing at all where it has no members.
func (o *Object) AppendTo(dst []byte) []byte {
	if len(o.members) == 0 {
		return dst
	}
	return o.appendObject(dst, 0, 0)
}

// Fields returns what was collected as fields, in memory of their own.
func (o *Object) Fields() []Field {
	fields := make([]Field, 0, len(o.members))
	for i := range o.members {
		m := &o.members[i]
		f := Field{Key: m.key, JSON: m.json, Text: m.text}
		if m.json == nil {
			if m.value.Kind() == slog.KindString {
				f.Text = m.value.String()
			}
			value := m.value // the members may move while it is written
			f.JSON = o.appendValue(nil, value, 0)
		}
		fields = append(fields, f)
	}
	return fields
}

// Fields returns attributes as fields, and how many of their values had to be
// replaced.
func Fields(list []slog.Attr) (fields []Field, replaced int) {
	var o Object
	o.Add(list)
	fields = o.Fields()
	return fields, o.Replaced
}

// Merge returns a new list with the fields of both; where they share a key,
// those of later win.
func Merge(earlier, later []Field) []Field {
	if len(earlier) == 0 {
		return later
	}
	var o Object
	o.AddFields(earlier)
	o.AddFields(later)
	return o.Fields()
}

// set adds an attribute to the members from base on, which are one object.
func (o *Object) set(base int, a slog.Attr, depth int) {
	value := a.Value
	if value.Kind() == slog.KindLogValuer {
		value = o.resolve(value)
	}
	if value.Kind() == slog.KindGroup {
		group := value.Group()
		if a.Key == "" {
			if depth >= maxDepth {
				o.Replaced++
				return
			}
			for i := range group {
				o.set(base, group[i], depth+1)
			}
			return
		}
		if len(group) == 0 {
			return
		}
	}
	if a.Key == "" || base == 0 && reserved(a.Key) {
		return
	}
	m := o.place(base, a.Key)
	m.json, m.text, m.value = nil, "", value
}

// reserved reports whether key names the event itself. Such a member always
// has the event's own value, so an attribute of that name never counts.
func reserved(key string) bool {
	switch key {
	case "event_id", "event_name", "event_type", "event_time", "event_ts":
		return true
	}
	return false
}

// place returns the member for key, a new one where there is none from base on.
func (o *Object) place(base int, key string) *member {
	b := bit(key)
	if o.seen&b != 0 {
		for i := base; i < len(o.members); i++ {
			if o.members[i].key == key {
				return &o.members[i]
			}
		}
	}
	o.seen |= b
	o.members = append(o.members, member{key: key})
	return &o.members[len(o.members)-1]
}

// bit is a bit that tells most keys apart, so that most are known to be new
// without a search.
func bit(key string) uint64 {
	n := len(key)
	if n == 0 {
		return 1
	}
	return 1 << ((uint(key[0])*7 + uint(key[n-1])*13 + uint(key[n/2])*3 + uint(n)) & 63)
}

// appendObject appends the members from base on as an object.
func (o *Object) appendObject(dst []byte, base, depth int) []byte {
	dst = append(dst, '{')
	for i, end := base, len(o.members); i < end; i++ {
		if i > base {
			dst = append(dst, ',')
		}
		m := o.members[i] // a copy: groups below make the list grow
		dst = o.appendText(dst, m.key)
		dst = append(dst, ':')
		if m.json != nil {
			dst = append(dst, m.json...)
			continue
		}
		dst = o.appendValue(dst, m.value, depth)
	}
	return append(dst, '}')
}

// appendGroup appends attributes as an object of their own, using the end of
// the list of members as its scratch.
func (o *Object) appendGroup(dst []byte, group []slog.Attr, depth int) []byte {
	base, seen := len(o.members), o.seen
	o.seen = 0
	for i := range group {
		o.set(base, group[i], depth)
	}
	dst = o.appendObject(dst, base, depth)
	clear(o.members[base:])
	o.members, o.seen = o.members[:base], seen
	return dst
}
