package wirejson

import (
	"bytes"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// A keyed is one entry of a map.
type keyed struct {
	key   []byte
	value Field
}

// keepKeyed is how many entries stay allocated between two maps.
const keepKeyed = 1 << 10

// keyMember is the key of a map's entries.
var keyMember = member{kind: text, wire: protowire.BytesType}

// The numbers of a map entry's fields.
const (
	keyNumber   protowire.Number = 1
	valueNumber protowire.Number = 2
)

// appendMap appends the entries that the message b has in field n.
func (e *Encoder) appendMap(dst []byte, s *Shape, b []byte, n protowire.Number) ([]byte, error) {
	m := &s.members[n]
	all, err := collect(e.keyed[:0], m, b, n)
	if err == nil {
		dst, err = e.appendEntries(dst, m.value, all)
	}
	e.reuse(all)
	return dst, err
}

// AppendDoubles appends, as one map of doubles, the entries that the message b has
// in field n and those that it has in field wins, whose values count where both
// have a key. There are n of the numbers that the map is to have: none is an empty
// object.
func (e *Encoder) AppendDoubles(dst []byte, s *Shape, b []byte, n, wins protowire.Number) ([]byte, error) {
	all, err := collect(e.keyed[:0], &s.members[n], b, n)
	first := len(all)
	if err == nil {
		all, err = collect(all, &s.members[wins], b, wins)
	}
	if s.members[wins].value.kind != double {
		for i := range all[first:] {
			v := &all[first+i].value
			v.bits = math.Float64bits(float64(v.Int()))
		}
	}
	if err == nil {
		dst, err = e.appendEntries(dst, s.members[n].value, all)
	}
	e.reuse(all)
	return dst, err
}

// collect appends the entries of a map to all.
func collect(all []keyed, m *member, b []byte, n protowire.Number) ([]keyed, error) {
	for entry := range Elements(b, n) {
		if len(all) == MaxKeys {
			return all, ErrTooManyKeys
		}
		one, ok := entryOf(entry, m.value)
		if !ok {
			return all, ErrMalformed
		}
		all = append(all, one)
	}
	return all, nil
}

// entryOf reads one entry. A key or a value that it lacks is empty or zero.
func entryOf(b []byte, value *member) (one keyed, ok bool) {
	one.value.Set = true
	for len(b) > 0 {
		n, wire, size := consumeTag(b)
		if size < 0 {
			return one, false
		}
		b = b[size:]
		switch {
		case n == keyNumber && wire == keyMember.wire:
			var key Field
			size = keyMember.take(b, &key)
			one.key = key.Bytes
		case n == valueNumber && wire == value.wire:
			size = value.take(b, &one.value)
		default:
			size = protowire.ConsumeFieldValue(n, wire, b)
		}
		if size < 0 {
			return one, false
		}
		b = b[size:]
	}
	return one, true
}

// appendEntries appends entries as an object, sorted by their keys. Of those with
// one key the last counts.
func (e *Encoder) appendEntries(dst []byte, value *member, all []keyed) ([]byte, error) {
	slices.SortStableFunc(all, func(a, b keyed) int { return bytes.Compare(a.key, b.key) })
	dst = append(dst, '{')
	for i := range all {
		if i+1 < len(all) && bytes.Equal(all[i].key, all[i+1].key) {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(appendQuoted(dst, all[i].key), ':')
		var err error
		if dst, err = e.appendValue(dst, value, &all[i].value); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// reuse keeps the space of entries for the next map, unless it is large.
func (e *Encoder) reuse(space []keyed) {
	if cap(space) > keepKeyed {
		space = nil
	}
	clear(space)
	e.keyed = space
}
