package journal

import (
	"encoding/binary"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// An entry is what the index knows of one record. Its 32 bytes are also its
// form in a key file.
type entry struct {
	key      store.Key
	digest   [8]byte
	sequence uint64
}

func shortDigest(d store.Digest) (short [8]byte) {
	copy(short[:], d[:])
	return short
}

// A keyset holds the entries of one chunk in memory: a list, and a hash table
// of places in the list. It costs about 40 bytes per key where a map would take
// twice that, and the list is what the key file is made of.
type keyset struct {
	entries        []entry
	table          []uint32 // place in entries plus one; zero is free. Length a power of two
	oldest, newest int64    // received, nanoseconds since 1970
}

// find returns the entry of key.
func (s *keyset) find(key store.Key) (entry, bool, error) {
	if len(s.table) == 0 {
		return entry{}, false, nil
	}
	at := s.table[s.slot(key)]
	if at == 0 {
		return entry{}, false, nil
	}
	return s.entries[at-1], true, nil
}

// add adds an entry whose key is not there yet.
func (s *keyset) add(e entry, received int64) {
	if len(s.entries) == 0 {
		s.oldest, s.newest = received, received
	}
	s.oldest, s.newest = min(s.oldest, received), max(s.newest, received)
	s.entries = append(s.entries, e)
	if 4*len(s.entries) > 3*len(s.table) {
		s.rehash(max(1024, 2*len(s.table)))
		return
	}
	s.table[s.slot(e.key)] = uint32(len(s.entries))
}

// enter adds the key of a record that has one. A payload nobody can read is
// named by whoever reads it.
func (s *keyset) enter(r wal.Record) {
	id, err := store.ParseIdentity(store.Kind(r.Kind), r.Payload)
	if err != nil || !id.Unique {
		return
	}
	if _, known, _ := s.find(id.Key); !known {
		s.add(entry{key: id.Key, digest: shortDigest(id.Digest), sequence: r.Sequence}, nanoseconds(id.Received))
	}
}

// truncate forgets all but the first n entries.
func (s *keyset) truncate(n int) {
	s.entries = s.entries[:n]
	s.rehash(len(s.table))
}

func (s *keyset) rehash(size int) {
	s.table = make([]uint32, size)
	for i := range s.entries {
		s.table[s.slot(s.entries[i].key)] = uint32(i + 1)
	}
}

// slot returns the place in the table that holds key, or would. A key is a
// hash already. The table always has room, so the search ends.
func (s *keyset) slot(key store.Key) int {
	mask := len(s.table) - 1
	i := int(binary.LittleEndian.Uint64(key[:])) & mask
	for s.table[i] != 0 && s.entries[s.table[i]-1].key != key {
		i = (i + 1) & mask
	}
	return i
}
