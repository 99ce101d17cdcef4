package otlp

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/intake/strictjson"
)

// What JSON has no word for is an object with one member of these names.
const (
	bytesMember  = "$bytes"  // base64
	doubleMember = "$double" // NaN, Infinity, -Infinity
)

// quote appends text as a JSON string.
func (d *decoder) quote(text []byte) {
	if d.done() || !room(d, &d.parts, quotedSize(text, cap(d.parts)-len(d.parts))) {
		return
	}
	mark := len(d.parts)
	d.parts = append(append(append(d.parts, '"'), text...), '"')
	for _, c := range text {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			d.quoteUnusual(text, mark)
			return
		}
	}
}

func (d *decoder) quoteUnusual(text []byte, mark int) {
	quoted, err := jsontext.AppendQuote(d.parts[:mark], text)
	if err != nil {
		d.refuse("", strictjson.InvalidUTF8, "a text of the record is not valid UTF-8")
		return
	}
	d.parts = quoted
}

// quotedSize is how many bytes text takes as a JSON string, or fewer than there
// are free when it fits in any case.
func quotedSize(text []byte, free int) int {
	const quotes, longest = 2, 6 // \u001f
	if size := longest*len(text) + quotes; size <= free {
		return size
	}
	size := len(text) + quotes
	for _, c := range text {
		if c < ' ' || c == '"' || c == '\\' {
			size += longest - 1
		}
	}
	return size
}

// literal appends a few bytes of JSON.
func (d *decoder) literal(text string) {
	if room(d, &d.parts, len(text)) {
		d.parts = append(d.parts, text...)
	}
}

func (d *decoder) bool(b bool) { d.literal(strconv.FormatBool(b)) }

func (d *decoder) int(n int64) {
	const longest = 20
	if room(d, &d.parts, longest) {
		d.parts = strconv.AppendInt(d.parts, n, 10)
	}
}

// double appends n with a point or an exponent: what has neither is an int.
func (d *decoder) double(n float64, level int) {
	const longest = 40
	if math.IsNaN(n) || math.IsInf(n, 0) {
		d.noNumber(n, level)
		return
	}
	if !room(d, &d.parts, longest) {
		return
	}
	format, abs := byte('f'), math.Abs(n)
	if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	start := len(d.parts)
	d.parts = strconv.AppendFloat(d.parts, n, format, -1, 64)
	if n := len(d.parts); format == 'e' && d.parts[n-4] == 'e' && d.parts[n-2] == '0' { // e-07 is e-7 elsewhere
		d.parts[n-2] = d.parts[n-1]
		d.parts = d.parts[:n-1]
	}
	if format == 'f' && bytes.IndexByte(d.parts[start:], '.') < 0 {
		d.parts = append(d.parts, ".0"...)
	}
}

// noNumber appends a double that JSON has no number for.
func (d *decoder) noNumber(n float64, level int) {
	if !d.deeper(level) {
		return
	}
	word := "NaN"
	switch {
	case n > 0:
		word = "Infinity"
	case n < 0:
		word = "-Infinity"
	}
	d.literal(`{"` + doubleMember + `":"` + word + `"}`)
}

func (d *decoder) bytes(b []byte, level int) {
	const around = len(`{"":""}`) + len(bytesMember)
	if !d.deeper(level) || !room(d, &d.parts, around+base64.StdEncoding.EncodedLen(len(b))) {
		return
	}
	d.parts = append(d.parts, `{"`+bytesMember+`":"`...)
	d.parts = base64.StdEncoding.AppendEncode(d.parts, b)
	d.parts = append(d.parts, `"}`...)
}

// deeper reports whether an object or array may stand at level.
func (d *decoder) deeper(level int) bool {
	if level > maxDepth {
		d.refuse("metadata", strictjson.TooDeep, fmt.Sprintf("the metadata nests more than %d levels", maxDepth))
	}
	return !d.done()
}

// An object is one that is being written. Its keys are the last ones in keys.
type object struct{ start, keys int }

// enter begins an object.
func (d *decoder) enter() object {
	o := object{len(d.parts), len(d.keys)}
	d.literal("{")
	return o
}

// key appends the name of o's next member; its value is next.
func (d *decoder) key(o object, name []byte) {
	if len(d.keys) > o.keys {
		d.literal(",")
	}
	start := len(d.parts)
	d.quote(name)
	d.named(start)
	d.literal(":")
}

// named notes the name that was written from start on.
func (d *decoder) named(start int) {
	const keyBytes = 8
	if len(d.keys) == cap(d.keys) && !d.charge(2*keyBytes*len(d.keys)) {
		return
	}
	d.keys = append(d.keys, span{uint32(start), uint32(len(d.parts))})
}

// leave ends an object, whose names must differ. The names stay until forget.
func (d *decoder) leave(o object) {
	d.literal("}")
	if !d.done() {
		d.unique(d.keys[o.keys:])
	}
}

// forget drops the names of o.
func (d *decoder) forget(o object) { d.keys = d.keys[:o.keys] }

// leaveValue ends an object that is itself a value. One that looks as if it stood
// for bytes or a double gets one more $, so that nothing is taken for another.
func (d *decoder) leaveValue(o object) {
	d.leave(o)
	if !d.done() && len(d.keys) == o.keys+1 {
		name := d.parts[d.keys[o.keys].start+1 : d.keys[o.keys].end-1]
		if plain := bytes.TrimLeft(name, "$"); len(plain) < len(name) && (string(plain) == bytesMember[1:] || string(plain) == doubleMember[1:]) && room(d, &d.parts, 1) {
			d.parts = slices.Insert(d.parts, o.start+len(`{"`), '$')
		}
	}
	d.forget(o)
}

// Up to fewKeys looking at each pair of names is faster than sorting. An event
// that fits has no more than maxKeys.
const fewKeys, maxKeys = 32, 1 << 18

// unique refuses what is being read when two of its names are the same.
func (d *decoder) unique(keys []span) {
	switch {
	case len(keys) > maxKeys:
		d.refuse("", reasonEventTooLarge, "the record has more attributes than an event can hold")
	case len(keys) > fewKeys:
		slices.SortFunc(keys, func(a, b span) int { return bytes.Compare(d.at(a), d.at(b)) })
		for i := 1; i < len(keys); i++ {
			if bytes.Equal(d.at(keys[i-1]), d.at(keys[i])) {
				d.twice(keys[i])
				return
			}
		}
	default:
		for i := 1; i < len(keys); i++ {
			for _, before := range keys[:i] {
				if keys[i].end-keys[i].start == before.end-before.start && bytes.Equal(d.at(keys[i]), d.at(before)) {
					d.twice(keys[i])
					return
				}
			}
		}
	}
}

func (d *decoder) at(s span) []byte { return d.parts[s.start:s.end] }

func (d *decoder) twice(key span) {
	const most = 64
	quoted := d.at(key)
	name := string(bytes.ToValidUTF8(quoted[1:min(len(quoted)-1, 1+most)], nil))
	d.refuse(name, strictjson.DuplicateName, fmt.Sprintf("two attributes are called %q", name))
}
