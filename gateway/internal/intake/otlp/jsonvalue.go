package otlp

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// anyDepth is deeper than the scanner goes: it gives up before.
const anyDepth = 1 << 20

// skip reads a value nobody needs.
func (d *decoder) skip() { d.scan.AppendValue(nil, anyDepth) }

// object reads an object and has use read the value of each member. Null is as
// good as an object without any.
func (d *decoder) object(use func(member)) {
	switch d.scan.Kind() {
	case '{':
	case 'n':
		d.skip()
		return
	default:
		d.wrongType(d.last.String(), d.last.String()+" must be an object")
		return
	}
	var seen [versionMember + 1]bool
	d.scan.EnterObject()
	for d.stop == nil {
		name, more := d.scan.Member()
		if !more {
			return
		}
		m := members[string(name)]
		if m != unknownMember && seen[m] {
			d.refuse(string(name), reasonTwoSpellings, string(name)+" is given twice, or in both spellings")
			m = unknownMember
		}
		seen[m] = true
		if m == unknownMember {
			d.skip()
			continue
		}
		d.last = m
		use(m)
	}
}

// list reads an array and has read read each element. Null is as good as an
// empty one.
func (d *decoder) list(read func()) {
	switch d.scan.Kind() {
	case '[':
	case 'n':
		d.skip()
		return
	default:
		d.wrongType(d.last.String(), d.last.String()+" must be an array")
		return
	}
	d.scan.EnterArray()
	for d.stop == nil && d.scan.Element() {
		read()
	}
}

func (d *decoder) wrongType(field, what string) {
	d.refuse(field, reasonWrongType, what)
	d.skip()
}

// jsonText reads a text. False means that there is none: null is as good as
// absent.
func (d *decoder) jsonText(name string) (text []byte, ok bool) {
	switch d.scan.Kind() {
	case '"':
		return d.scan.Text(), true
	case 'n':
		d.skip()
		return nil, false
	}
	d.wrongType(name, name+" must be a string")
	return nil, false
}

// digits reads a number, or a string that holds one: 64 bits are more than many
// readers' numbers have. False means that there is none.
func (d *decoder) digits(name string) (text string, ok bool) {
	switch d.scan.Kind() {
	case '"':
		return string(d.scan.Text()), true
	case '0':
		return string(d.scan.AppendValue(nil, 0)), true
	case 'n':
		d.skip()
		return "", false
	}
	d.wrongType(name, name+" must be a number, or a string that holds one")
	return "", false
}

func (d *decoder) jsonInt(name string, bits int) int64 {
	text, ok := d.digits(name)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		d.refuse(name, reasonInvalidNumber, name+" must be an integer of "+strconv.Itoa(bits)+" bits")
	}
	return n
}

func (d *decoder) jsonUint64(name string) uint64 { return d.jsonUint(name, 64) }

func (d *decoder) jsonUint32(name string) uint32 { return uint32(d.jsonUint(name, 32)) }

func (d *decoder) jsonUint(name string, bits int) uint64 {
	text, ok := d.digits(name)
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil {
		d.refuse(name, reasonInvalidNumber, name+" must be an integer of "+strconv.Itoa(bits)+" bits that is not negative")
	}
	return n
}

// jsonKeyValue reads one member of o; level is that of its value.
func (d *decoder) jsonKeyValue(o object, level int) {
	mark, hasKey, hasValue := len(d.parts), false, false
	d.object(func(m member) {
		switch m {
		case keyMember:
			text, _ := d.jsonText("key")
			d.jsonKey(o, text, mark)
			hasKey = true
		case valueMember:
			hasValue = true
			d.jsonValue(level)
		default:
			d.skip()
		}
	})
	if !hasKey {
		d.jsonKey(o, nil, mark)
	}
	if !hasValue {
		d.literal("null")
	}
}

// jsonKey appends the name of o's next member. When its value stands at mark
// already, because an encoder wrote that first, the name gets in front of it.
func (d *decoder) jsonKey(o object, name []byte, mark int) {
	end := len(d.parts)
	d.key(o, name)
	if end == mark || d.done() {
		return
	}
	key := &d.keys[len(d.keys)-1]
	*key = span{key.start - uint32(end-mark), key.end - uint32(end-mark)}
	written := slices.Clone(d.parts[end:])
	copy(d.parts[mark+len(written):], d.parts[mark:end])
	copy(d.parts[mark:], written)
}

// jsonValue reads a value of any type; level is the one that it has if it is an
// object or an array. One of no type is null.
func (d *decoder) jsonValue(level int) {
	start, count := len(d.parts), 0
	d.object(func(m member) {
		if d.scan.Kind() == 'n' {
			d.skip()
			return
		}
		if count > 0 {
			d.refuse("", reasonInvalidValue, "a value is of two types at once")
		}
		if d.done() {
			d.skip()
			return
		}
		count += d.typedValue(m, level)
	})
	if len(d.parts) == start {
		d.literal("null")
	}
}

// typedValue reads the value of one type, and returns how many it has read.
func (d *decoder) typedValue(m member, level int) int {
	switch m {
	case stringValueMember:
		text, _ := d.jsonText("stringValue")
		d.quote(text)
	case boolValueMember:
		d.jsonBool()
	case intValueMember:
		d.int(d.jsonInt("intValue", 64))
	case doubleValueMember:
		d.jsonDouble(level)
	case bytesValueMember:
		d.jsonBytes(level)
	case arrayValueMember:
		d.jsonArray(level)
	case kvlistValueMember:
		d.jsonKvlist(level)
	default:
		d.skip()
		return 0
	}
	return 1
}

func (d *decoder) jsonBool() {
	switch d.scan.Kind() {
	case 't', 'f':
		d.bool(d.scan.Kind() == 't')
		d.skip()
	default:
		d.wrongType("boolValue", "boolValue must be true or false")
	}
}

func (d *decoder) jsonDouble(level int) {
	text, ok := d.digits("doubleValue")
	if !ok {
		return
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !doubleText(text) {
		d.refuse("doubleValue", reasonInvalidNumber, "doubleValue must be a number of 64 bits, or NaN, Infinity or -Infinity")
		return
	}
	d.double(n, level)
}

// doubleText reports whether text is spelt as JSON spells numbers, or as
// Protocol Buffers spell what is none: Go knows more forms.
func doubleText(text string) bool {
	return text == "NaN" || text == "Infinity" || text == "-Infinity" || strings.Trim(text, "0123456789+-.eE") == ""
}

func (d *decoder) jsonBytes(level int) {
	text, ok := d.jsonText("bytesValue")
	if !ok {
		return
	}
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	text = bytes.TrimRight(text, "=")
	if !d.charge(encoding.DecodedLen(len(text))) {
		return
	}
	decoded, err := encoding.AppendDecode(nil, text)
	if err != nil {
		d.refuse("bytesValue", reasonInvalidValue, "bytesValue is not base64")
		return
	}
	d.bytes(decoded, level)
}

func (d *decoder) jsonArray(level int) {
	if !d.deeper(level) {
		d.skip()
		return
	}
	d.literal("[")
	first := true
	d.object(func(m member) {
		if m != valuesMember {
			d.skip()
			return
		}
		d.list(func() {
			if !first {
				d.literal(",")
			}
			first = false
			d.jsonValue(level + 1)
		})
	})
	d.literal("]")
}

func (d *decoder) jsonKvlist(level int) {
	if !d.deeper(level) {
		d.skip()
		return
	}
	o := d.enter()
	d.object(func(m member) {
		if m != valuesMember {
			d.skip()
			return
		}
		d.list(func() { d.jsonKeyValue(o, level+1) })
	})
	d.leaveValue(o)
}
