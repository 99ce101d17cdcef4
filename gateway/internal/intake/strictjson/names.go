package strictjson

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// An Object is the number of an object that was read; 0 is none. Numbers are
// valid until Forget.
type Object uint32

const (
	// maxNames bounds the names remembered between two calls of Forget. An
	// event has at most 1 MiB and a member at least five bytes, so that no
	// event that fits has more.
	maxNames = 1 << 18

	// fewNames is up to how many names looking at each is faster than hashing
	// into a table.
	fewNames = 32
)

// names are the names of all objects of an event, nested ones too. With more
// than a few there is a table, so that looking for a duplicate costs the same
// with three members and with a hundred thousand.
type names struct {
	entries []entry
	table   []uint32 // indexes in entries plus one, by hash; empty while there are few
	decoded []byte   // names that had escapes
	seen    uint64   // a bit for each hash modulo 64, so that most new names need no look
	objects Object   // number given last
	charge  Charge   // for what entries, table and decoded grow by

	seed   maphash.Seed
	k0, k1 uint64 // secrets derived from it
}

// An entry is 16 bytes, so that a hostile event's names cost a small multiple of
// the event.
type entry struct {
	object Object
	hash   uint32
	start  uint32 // of the name in the text, or in decoded
	length uint32 // with the bit inDecoded
}

const inDecoded = 1 << 31

// The bytes of an entry, and of a place in the table.
const entrySize, placeSize = 16, 4

// verdict is what came of adding a name.
type verdict int

const (
	added  verdict = iota
	taken          // the object has that name
	full           // maxNames is reached; the name was not added
	unpaid         // nor was it here: there is no memory for it
)

// object returns the number for another object.
func (n *names) object() Object {
	n.objects++
	return n.objects
}

func (n *names) forget() {
	n.entries, n.table, n.decoded = n.entries[:0], n.table[:0], n.decoded[:0]
	n.seen = 0 // objects go on: one that is still open keeps its number to itself
}

// shrink lets go of what one unusual event needed.
func (n *names) shrink() {
	const maxEntries, maxDecoded = 4096, 64 << 10
	if cap(n.entries) > maxEntries {
		n.entries, n.table = nil, nil
	}
	if cap(n.decoded) > maxDecoded {
		n.decoded = nil
	}
}

// add enters name into the names of object. At is where text has the name, if
// it does.
func (n *names) add(text []byte, object Object, name []byte, at int, escaped bool) verdict {
	hash := n.hash(object, name)
	bit := uint64(1) << (hash % 64)
	if n.seen&bit != 0 && n.find(text, object, hash, name) {
		return taken
	}
	n.seen |= bit
	if len(n.entries) == maxNames {
		return full
	}
	if !n.makeRoom(name, escaped) {
		return unpaid
	}
	e := entry{object: object, hash: hash, start: uint32(at), length: uint32(len(name))}
	if escaped {
		e.start, e.length = uint32(len(n.decoded)), e.length|inDecoded
		n.decoded = append(n.decoded, name...)
	}
	n.entries = append(n.entries, e)
	if len(n.entries) > fewNames {
		n.enter(len(n.entries))
	}
	return added
}

// makeRoom gets the memory for one more name.
func (n *names) makeRoom(name []byte, escaped bool) (ok bool) {
	if n.entries, ok = room(n.entries, 1, entrySize, n.charge); !ok {
		return false
	}
	if escaped {
		if n.decoded, ok = room(n.decoded, len(name), 1, n.charge); !ok {
			return false
		}
	}
	count := len(n.entries) + 1
	if count <= fewNames || 2*count <= len(n.table) || cap(n.table) >= tableSize(count) {
		return true
	}
	return n.charge.take(tableSize(count) * placeSize)
}

// has reports whether object has a member called name.
func (n *names) has(text []byte, object Object, name []byte) bool {
	return n.find(text, object, n.hash(object, name), name)
}

func (n *names) find(text []byte, object Object, hash uint32, name []byte) bool {
	if len(n.table) == 0 {
		for i := range n.entries {
			if e := &n.entries[i]; e.hash == hash && e.object == object && bytes.Equal(n.name(text, e), name) {
				return true
			}
		}
		return false
	}
	mask := uint32(len(n.table) - 1)
	for i := hash & mask; n.table[i] != 0; i = (i + 1) & mask {
		e := &n.entries[n.table[i]-1]
		if e.hash == hash && e.object == object && bytes.Equal(n.name(text, e), name) {
			return true
		}
	}
	return false
}

func (n *names) name(text []byte, e *entry) []byte {
	from := text
	if e.length&inDecoded != 0 {
		from = n.decoded
	}
	return from[e.start:][:e.length&^inDecoded]
}

// enter puts the last of count entries into the table, or all of them into a
// larger one when it is half full.
func (n *names) enter(count int) {
	first := count - 1
	if 2*count > len(n.table) {
		n.grow(tableSize(count))
		first = 0
	}
	mask := uint32(len(n.table) - 1)
	for number := first; number < count; number++ {
		i := n.entries[number].hash & mask
		for n.table[i] != 0 {
			i = (i + 1) & mask
		}
		n.table[i] = uint32(number + 1)
	}
}

// tableSize is how many places a new table for count names has.
func tableSize(count int) int { return 1 << bits.Len(uint(4*count-1)) }

// grow replaces the table by an empty one of that many places.
func (n *names) grow(size int) {
	if cap(n.table) < size {
		n.table = make([]uint32, size)
		return
	}
	n.table = n.table[:size]
	clear(n.table)
}

// hash is seeded, so that nobody can choose names that collide. Short names,
// which nearly all are, take one multiplication, folded as wyhash does.
func (n *names) hash(object Object, name []byte) uint32 {
	if n.k0 == 0 {
		n.seed = maphash.MakeSeed()
		n.k0, n.k1 = maphash.String(n.seed, "0")|1, maphash.String(n.seed, "1")
	}
	var a, b uint64
	switch l := len(name); {
	case l > 16:
		a = maphash.Bytes(n.seed, name)
	case l >= 8:
		a, b = binary.LittleEndian.Uint64(name), binary.LittleEndian.Uint64(name[l-8:])
	case l >= 4:
		a, b = uint64(binary.LittleEndian.Uint32(name)), uint64(binary.LittleEndian.Uint32(name[l-4:]))
	case l > 0:
		a = uint64(name[0])<<16 | uint64(name[l/2])<<8 | uint64(name[l-1])
	}
	high, low := bits.Mul64(a^n.k0, b^n.k1^uint64(len(name))<<32^uint64(object))
	return uint32(high ^ low)
}
