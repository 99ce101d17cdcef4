// Package wirejson writes messages of Protocol Buffers as JSON straight from
// their binary form: byte for byte the compact form of what protojson makes of
// them, without the generated messages in between, which cost ten times as much.
//
// It knows strings, int32, int64, double, messages, and maps from strings to texts
// and numbers, which is all that the intakes' messages have; anything else it
// refuses when a program starts. Lists of messages it reads and does not write. As everywhere in Protocol Buffers, the last of
// several values counts, several messages in one field are one message in parts,
// and what has no field is passed over.
package wirejson

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Why a message has no JSON.
var (
	// ErrMalformed: it is no message of its type, or a text is not UTF-8.
	ErrMalformed = errors.New("wirejson: the message is malformed")
	// ErrTooLong: its JSON would have more bytes than the encoder may write.
	ErrTooLong = errors.New("wirejson: the JSON is too long")
	// ErrTooManyKeys: a map has more entries than MaxKeys.
	ErrTooManyKeys = errors.New("wirejson: a map has too many keys")
)

// MaxKeys is how many entries a map may have: they are sorted in memory.
const MaxKeys = 1 << 16

// maxNumber is the highest number of a field that a shape can have.
const maxNumber = 15

// A Shape is a type of message. It is safe for concurrent use.
type Shape struct {
	members [maxNumber + 1]member // by number; those of no kind are none
	order   []protowire.Number    // as protojson writes them
}

// A member is one field of a shape.
type member struct {
	prefix   []byte // the name as JSON, and the colon
	kind     kind
	wire     protowire.Type
	presence bool    // written also when it is zero
	oneof    int     // which oneof it belongs to; 0 = none
	message  *Shape  // of a message
	value    *member // of a map's values
}

type kind int

const (
	text kind = iota + 1
	int32Number
	int64Number
	double
	message
	entries // of a map from strings
	list    // of messages
)

var kinds = map[protoreflect.Kind]struct {
	kind kind
	wire protowire.Type
}{
	protoreflect.StringKind:  {text, protowire.BytesType},
	protoreflect.Int32Kind:   {int32Number, protowire.VarintType},
	protoreflect.Int64Kind:   {int64Number, protowire.VarintType},
	protoreflect.DoubleKind:  {double, protowire.Fixed64Type},
	protoreflect.MessageKind: {message, protowire.BytesType},
}

// Of returns the shape of the messages that d describes, which must not contain
// themselves. It panics where d has what this package does not know. Messages of
// google.protobuf have shapes, but no JSON: those who know a better form write it.
func Of(d protoreflect.MessageDescriptor) *Shape {
	s := new(Shape)
	fields := d.Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		n := f.Number()
		if n > maxNumber {
			panic(fmt.Sprintf("wirejson: %s has the number %d, the highest is %d", f.FullName(), n, maxNumber))
		}
		s.members[n] = memberOf(f)
		s.order = append(s.order, n)
	}
	return s
}

func memberOf(f protoreflect.FieldDescriptor) member {
	m := member{presence: f.HasPresence()}
	m.prefix = append(appendQuoted(nil, []byte(f.JSONName())), ':')
	if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
		m.oneof = o.Index() + 1
	}
	if f.IsMap() {
		if f.MapKey().Kind() != protoreflect.StringKind {
			panic(fmt.Sprintf("wirejson: the keys of %s are no strings", f.FullName()))
		}
		value := memberOf(f.MapValue())
		if value.kind == message {
			panic(fmt.Sprintf("wirejson: the values of %s are messages", f.FullName()))
		}
		m.kind, m.wire, m.value = entries, protowire.BytesType, &value
		return m
	}
	known, ok := kinds[f.Kind()]
	if f.IsList() && known.kind == message {
		known.kind = list
	} else if f.IsList() {
		ok = false
	}
	if !ok {
		panic(fmt.Sprintf("wirejson: %s is of a kind that has no form here", f.FullName()))
	}
	m.kind, m.wire = known.kind, known.wire
	if (m.kind == message || m.kind == list) && f.Message().ParentFile().Package() != "google.protobuf" {
		m.message = Of(f.Message())
	}
	return m
}

// Message returns the shape of the field of that number, which holds a message.
func (s *Shape) Message(n protowire.Number) *Shape { return s.members[n].message }

// Numbers returns the numbers of the shape's fields in the order of their JSON.
// The caller must not change them.
func (s *Shape) Numbers() []protowire.Number { return s.order }

// Fields are the fields of one message, by number.
type Fields [maxNumber + 1]Field

// A Field is the value of one field. Its bytes are those of the message.
type Field struct {
	Set   bool
	Bytes []byte // of a text or a message; of a map or a list: the message that has it

	bits   uint64
	joined bool // Bytes are a copy, of several parts
}

// Int is the value of an integer.
func (f *Field) Int() int64 { return int64(f.bits) }

// Parse reads the fields of b, a message of that shape, into fields, which must
// be empty. It does not look into messages and maps.
func (s *Shape) Parse(b []byte, into *Fields) error {
	whole := b
	for len(b) > 0 {
		n, wire, size := consumeTag(b)
		if size < 0 {
			return ErrMalformed
		}
		b = b[size:]
		if n > maxNumber || s.members[n].wire != wire || s.members[n].kind == 0 {
			if size = protowire.ConsumeFieldValue(n, wire, b); size < 0 {
				return ErrMalformed
			}
			b = b[size:]
			continue
		}
		m := &s.members[n]
		if m.oneof != 0 && !into[n].Set && !s.clear(m.oneof, into) {
			return ErrMalformed
		}
		if size = m.take(b, &into[n]); size < 0 {
			return ErrMalformed
		}
		if m.kind == entries || m.kind == list {
			into[n].Bytes = whole
		}
		b = b[size:]
	}
	return nil
}

// consumeTag reads a field's number and wire type, as far as there are such
// numbers.
func consumeTag(b []byte) (n protowire.Number, wire protowire.Type, size int) {
	if n, wire, size = protowire.ConsumeTag(b); n > protowire.MaxValidNumber {
		return n, wire, -1
	}
	return n, wire, size
}

// Elements returns the messages of the list that the message b, which has been
// parsed, holds in field n.
func Elements(b []byte, n protowire.Number) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			number, wire, size := consumeTag(b)
			if size < 0 {
				return
			}
			b = b[size:]
			if size = protowire.ConsumeFieldValue(number, wire, b); size < 0 {
				return
			}
			if number == n && wire == protowire.BytesType {
				if element, _ := protowire.ConsumeBytes(b); !yield(element) {
					return
				}
			}
			b = b[size:]
		}
	}
}

// clear forgets the members of a oneof: another one follows. It reports whether
// what is forgotten was well-formed, as nobody will look at it again.
func (s *Shape) clear(oneof int, in *Fields) bool {
	for n := range s.members {
		m := &s.members[n]
		if m.oneof != oneof {
			continue
		}
		if in[n].Set && m.message != nil && !m.message.wellFormed(in[n].Bytes) {
			return false
		}
		in[n] = Field{}
	}
	return true
}

// wellFormed reports whether b is a message of that shape, to its depths.
func (s *Shape) wellFormed(b []byte) bool {
	var f Fields
	if s.Parse(b, &f) != nil {
		return false
	}
	for n := range f {
		m := &s.members[n]
		switch {
		case !f[n].Set:
		case m.kind == list:
			for element := range Elements(b, protowire.Number(n)) {
				if m.message != nil && !m.message.wellFormed(element) {
					return false
				}
			}
		case m.message != nil && !m.message.wellFormed(f[n].Bytes):
			return false
		case m.kind == entries:
			if _, err := collect(nil, m, b, protowire.Number(n)); err != nil {
				return false
			}
		}
	}
	return true
}

// take reads one value and returns its size, which is negative where it is
// malformed.
func (m *member) take(b []byte, into *Field) (size int) {
	into.Set = true
	switch m.kind {
	case int32Number:
		into.bits, size = protowire.ConsumeVarint(b)
		into.bits = uint64(int64(int32(into.bits)))
	case int64Number:
		into.bits, size = protowire.ConsumeVarint(b)
	case double:
		into.bits, size = protowire.ConsumeFixed64(b)
	case message:
		var part []byte
		if part, size = protowire.ConsumeBytes(b); size >= 0 && !m.join(into, part) {
			return -1
		}
	default:
		into.Bytes, size = protowire.ConsumeBytes(b)
		if size >= 0 && m.kind == text && !utf8.Valid(into.Bytes) {
			into.Bytes = nil
			return -1
		}
	}
	return size
}

// join adds a part of a message to those before it. What two parts say together
// either of them must be able to say: a part that ends within a field is malformed.
func (m *member) join(into *Field, part []byte) bool {
	if len(into.Bytes) == 0 {
		into.Bytes = part
		return true
	}
	if m.message != nil && !(m.message.wellFormed(part) && (into.joined || m.message.wellFormed(into.Bytes))) {
		return false
	}
	if !into.joined { // what is there belongs to the message
		into.Bytes, into.joined = slices.Clone(into.Bytes), true
	}
	into.Bytes = append(into.Bytes, part...)
	return true
}

func (f *Field) double() float64 { return math.Float64frombits(f.bits) }
