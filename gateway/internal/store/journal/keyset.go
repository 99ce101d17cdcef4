package journal

import (
	"encoding/binary"
	"math/bits"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// An entry is what the index knows of one record. Its 32 bytes are also its
// form in a key file.
type entry struct {
	key      store.Key
	digest   store.Digest
	sequence uint64
}

// A keyset holds the entries of one chunk in memory: a list, of which the key
// file is made, and a hash table of places in the list. The writer asks it for
// every event, so it must not wait for memory more than once: the table alone
// answers nearly every time that a key is new.
type keyset struct {
	entries []entry
	table   []slot // length a power of two, at most half full
	span
}

// newKeyset returns a keyset with memory for some keys: making it larger while
// events wait for the writer would cost more than everything else it does.
func newKeyset(keys int) *keyset {
	s := &keyset{}
	if keys = min(keys, maxExpected); keys > 0 {
		s.entries = make([]entry, 0, keys)
		s.table = make([]slot, 1<<bits.Len(uint(2*keys)))
	}
	return s
}

// maxExpected bounds the memory that is taken on a guess.
const maxExpected = 1 << 20

// A span is when the records of a keyset were received: nanoseconds since 1970,
// zeros while there are none.
type span struct{ oldest, newest int64 }

// keysetBytes is how many bytes a key takes in memory, about: its entry and its
// share of a table that is between a quarter and a half full.
const keysetBytes = entrySize + 24

// A mark is a state of a keyset to go back to.
type mark struct {
	entries int
	span
}

// A slot of the table. The zero slot is free.
type slot struct {
	tag   uint32 // a part of the key that does not choose the slot
	place uint32 // in entries, plus one
}

// find returns the entry of key.
func (s *keyset) find(key store.Key) (entry, bool, error) {
	if len(s.table) == 0 {
		return entry{}, false, nil
	}
	at := s.slot(key)
	if at.place == 0 {
		return entry{}, false, nil
	}
	return s.entries[at.place-1], true, nil
}

// claim returns the entry that has e's key, or else adds e.
func (s *keyset) claim(e entry, received int64) (first entry, known bool) {
	if 2*(len(s.entries)+1) > len(s.table) {
		s.rehash(max(1024, 2*len(s.table)))
	}
	at := s.slot(e.key)
	if at.place != 0 {
		return s.entries[at.place-1], true
	}
	if len(s.entries) == 0 {
		s.oldest, s.newest = received, received
	}
	s.oldest, s.newest = min(s.oldest, received), max(s.newest, received)
	s.entries = append(s.entries, e)
	*at = slot{tag: tag(e.key), place: uint32(len(s.entries))}
	return entry{}, false
}

// enter adds the key of a record that has one and returns when the record was
// received. A payload nobody can read is named by whoever reads it.
func (s *keyset) enter(r wal.Record) (received int64) {
	id, err := store.ParseIdentity(store.Kind(r.Kind), r.Payload)
	if err != nil {
		return 0
	}
	received = nanoseconds(id.Received)
	if id.Unique {
		e := entry{key: id.Key, digest: id.Digest, sequence: r.Sequence}
		s.claim(e, received)
		if e.key = id.Again; id.Twice {
			s.claim(e, received)
		}
	}
	return received
}

func (s *keyset) mark() mark { return mark{entries: len(s.entries), span: s.span} }

// claimBoth adds an entry under its own key and under another. Neither is there.
func (s *keyset) claimBoth(e entry, again store.Key, received int64) {
	s.claim(e, received)
	e.key = again
	s.claim(e, received)
}

func (s *keyset) keys() int { return len(s.entries) }

// back forgets what was added since the mark.
func (s *keyset) back(to mark) {
	s.entries, s.span = s.entries[:to.entries], to.span
	s.rehash(len(s.table))
}

func (s *keyset) rehash(size int) {
	s.table = make([]slot, size)
	for i := range s.entries {
		key := s.entries[i].key
		*s.slot(key) = slot{tag: tag(key), place: uint32(i + 1)}
	}
}

// slot returns the slot that holds key, or the free one where it belongs. A key
// is a hash already. Half of the table is free, so the search ends soon.
func (s *keyset) slot(key store.Key) *slot {
	mask, tag := len(s.table)-1, tag(key)
	i := int(binary.LittleEndian.Uint64(key[:])) & mask
	for {
		at := &s.table[i]
		if at.place == 0 || at.tag == tag && s.entries[at.place-1].key == key {
			return at
		}
		i = (i + 1) & mask
	}
}

func tag(key store.Key) uint32 { return binary.LittleEndian.Uint32(key[8:]) }
