package rule

import (
	"reflect"
	"strconv"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/members"
)

// An object is a JSON object as expressions see it. It is read when a member is
// asked for, and the value of a member when that one is. Nothing about it is for
// concurrent use: one evaluation has it.
type object struct {
	raw jsontext.Value // nil = without members

	read    bool
	members []member
	places  map[string]int // of members, where there are many

	whole traits.Mapper // all of it, as CEL's own; nil = not asked for yet
}

// A member is one of an object's.
type member struct {
	name  []byte
	raw   jsontext.Value
	value ref.Val // nil = not asked for yet
}

// manyMembers is where a map finds a member faster than looking at each.
const manyMembers = 16

// reset makes o an object without members, keeping its memory unless it is much.
func (o *object) reset() {
	clear(o.members)
	if cap(o.members) > 1024 {
		o.members = nil
	}
	*o = object{members: o.members[:0]}
}

// FindStringKey is what CEL calls for metadata.name.
func (o *object) FindStringKey(name string) (any, bool) {
	value, found := o.find(name)
	return value, found
}

func (o *object) find(name string) (ref.Val, bool) {
	o.readMembers()
	i, found := o.place(name)
	if !found {
		return nil, false
	}
	m := &o.members[i]
	if m.value == nil {
		m.value = valueOf(m.raw)
	}
	return m.value, true
}

func (o *object) place(name string) (int, bool) {
	if o.places != nil {
		i, found := o.places[name]
		return i, found
	}
	for i := range o.members {
		if string(o.members[i].name) == name {
			return i, true
		}
	}
	return 0, false
}

// readMembers finds the members. An object that cannot be read has none: what is
// stored was checked, and a rule is no place to find damage.
func (o *object) readMembers() {
	if o.read {
		return
	}
	o.read = true
	if !members.Each(o.raw, func(m members.Member) bool {
		o.members = append(o.members, member{name: m.Name, raw: m.Value})
		return true
	}) {
		o.members = o.members[:0]
	}
	if len(o.members) > manyMembers {
		o.places = make(map[string]int, len(o.members))
		for i := range o.members {
			o.places[string(o.members[i].name)] = i
		}
	}
}

// all is the object as a map of CEL's own, for everything but looking up a name.
func (o *object) all() traits.Mapper {
	if o.whole == nil {
		o.readMembers()
		m := make(map[ref.Val]ref.Val, len(o.members))
		for i := range o.members {
			name := string(o.members[i].name)
			value, _ := o.find(name)
			m[types.String(name)] = value
		}
		o.whole = types.NewRefValMap(types.DefaultTypeAdapter, m)
	}
	return o.whole
}

// Find implements [traits.Mapper].
func (o *object) Find(key ref.Val) (ref.Val, bool) {
	if name, ok := key.(types.String); ok {
		return o.find(string(name))
	}
	return o.all().Find(key)
}

// Get implements [traits.Indexer].
func (o *object) Get(key ref.Val) ref.Val {
	if value, found := o.Find(key); found {
		return value
	}
	return o.all().Get(key) // which has the words for it
}

// Contains implements [traits.Container].
func (o *object) Contains(key ref.Val) ref.Val {
	if name, ok := key.(types.String); ok {
		_, found := o.find(string(name))
		return types.Bool(found)
	}
	return o.all().Contains(key)
}

// Size implements [traits.Sizer].
func (o *object) Size() ref.Val {
	o.readMembers()
	return types.Int(len(o.members))
}

// Iterator implements [traits.Iterable].
func (o *object) Iterator() traits.Iterator { return o.all().Iterator() }

// ConvertToNative implements [ref.Val].
func (o *object) ConvertToNative(t reflect.Type) (any, error) { return o.all().ConvertToNative(t) }

// ConvertToType implements [ref.Val].
func (o *object) ConvertToType(t ref.Type) ref.Val { return o.all().ConvertToType(t) }

// Equal implements [ref.Val].
func (o *object) Equal(other ref.Val) ref.Val {
	if another, ok := other.(*object); ok {
		other = another.all()
	}
	return o.all().Equal(other)
}

// Type implements [ref.Val].
func (o *object) Type() ref.Type { return types.MapType }

// Value implements [ref.Val].
func (o *object) Value() any { return o.all().Value() }

// valueOf returns a JSON value as CEL sees it.
func valueOf(raw jsontext.Value) ref.Val {
	switch raw.Kind() {
	case jsontext.KindTrue:
		return types.True
	case jsontext.KindFalse:
		return types.False
	case jsontext.KindString:
		return types.String(members.Unquote(raw))
	case jsontext.KindNumber:
		return numberOf(string(raw))
	case jsontext.KindBeginObject:
		return &object{raw: raw}
	case jsontext.KindBeginArray:
		elements := []ref.Val{}
		members.EachElement(raw, func(value jsontext.Value) { elements = append(elements, valueOf(value)) })
		return types.NewRefValList(types.DefaultTypeAdapter, elements)
	}
	return types.NullValue
}

// numberOf returns a number in the first form that holds it.
func numberOf(text string) ref.Val {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return types.Int(n)
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return types.Uint(n)
	}
	n, _ := strconv.ParseFloat(text, 64) // out of range is infinite, which compares as it should
	return types.Double(n)
}
