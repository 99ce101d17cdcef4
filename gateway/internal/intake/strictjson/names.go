package strictjson

import (
	"bytes"
	"hash/maphash"
)

// An Object is the number of an object that was read; 0 is none.
type Object uint32

// maxNames bounds the names remembered between two calls of Forget. An event
// has at most 1 MiB and a member at least five bytes, so that no event that
// fits has more.
const maxNames = 1 << 18

// names are the names of all objects of an event, nested ones too: one hash
// table under (object, name), where looking for a duplicate costs the same with
// three members and with a hundred thousand. Numbers of objects are never used
// twice, so that forgetting is a matter of moving the floor.
type names struct {
	seed  maphash.Seed
	table []entry // its length is a power of two
	bytes []byte  // the names, one after the other
	count int     // entries since forget
	floor Object  // entries of objects up to here are vacant
	last  Object  // number given last
}

// An entry is 16 bytes, so that a hostile event's names cost a small multiple of
// the event.
type entry struct {
	object Object
	hash   uint32
	start  uint32 // of the name in names.bytes
	length uint32
}

// verdict is what came of adding a name.
type verdict int

const (
	added verdict = iota
	taken         // the object has that name
	full          // maxNames is reached; the name was not added
)

// object returns the number for another object.
func (n *names) object() Object {
	n.last++
	return n.last
}

func (n *names) forget() {
	n.floor, n.count, n.bytes = n.last, 0, n.bytes[:0]
	if n.last > 1<<30 { // before numbers run out, start over with an empty table
		clear(n.table)
		n.floor, n.last = 0, 0
	}
}

// shrink lets go of a table that one unusual event needed.
func (n *names) shrink() {
	const maxTable, maxBytes = 4096, 64 << 10
	if len(n.table) > maxTable {
		n.table = nil
	}
	if cap(n.bytes) > maxBytes {
		n.bytes = nil
	}
}

// add enters name into the names of object.
func (n *names) add(object Object, name []byte) verdict {
	if n.count == maxNames {
		return full
	}
	if 2*n.count >= len(n.table) {
		n.grow()
	}
	hash := n.hash(object, name)
	e := n.find(object, hash, name)
	if e.object > n.floor {
		return taken
	}
	*e = entry{object: object, hash: hash, start: uint32(len(n.bytes)), length: uint32(len(name))}
	n.bytes = append(n.bytes, name...)
	n.count++
	return added
}

// has reports whether object has a member called name.
func (n *names) has(object Object, name []byte) bool {
	return n.count > 0 && n.find(object, n.hash(object, name), name).object > n.floor
}

// find returns the entry of name in object, or the vacant entry for it.
func (n *names) find(object Object, hash uint32, name []byte) *entry {
	mask := uint32(len(n.table) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := &n.table[i]
		if e.object <= n.floor {
			return e
		}
		if e.hash == hash && e.object == object && bytes.Equal(n.bytes[e.start:e.start+e.length], name) {
			return e
		}
	}
}

func (n *names) grow() {
	if n.table == nil {
		n.seed = maphash.MakeSeed()
	}
	old := n.table
	n.table = make([]entry, max(128, 2*len(old)))
	mask := uint32(len(n.table) - 1)
	for _, e := range old {
		if e.object <= n.floor {
			continue
		}
		i := e.hash & mask
		for n.table[i].object > n.floor {
			i = (i + 1) & mask
		}
		n.table[i] = e
	}
}

// hash is seeded, so that nobody can choose names that collide.
func (n *names) hash(object Object, name []byte) uint32 {
	const odd = 0x9e3779b1 // spreads the objects of an event that share names
	return uint32(maphash.Bytes(n.seed, name)) ^ uint32(object)*odd
}
