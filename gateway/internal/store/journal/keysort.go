package journal

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// sorted returns the places of the entries in the order of their keys. Keys are
// hashes and spread evenly, so they are dealt into as many buckets as there are
// keys by their first bits, and each bucket, mostly of one or two, is sorted.
func (s *keyset) sorted() []uint32 {
	width := bits.Len(uint(len(s.entries)))
	bucket := func(i uint32) uint64 {
		return binary.BigEndian.Uint64(s.entries[i].key[:8]) >> 1 >> (63 - width)
	}
	ends := make([]uint32, 1<<width+1)
	for i := range s.entries {
		ends[bucket(uint32(i))+1]++
	}
	for b := 1; b < len(ends); b++ {
		ends[b] += ends[b-1]
	}
	// Now ends[b] is where bucket b starts; dealing moves it to where it ends.
	order := make([]uint32, len(s.entries))
	for i := range s.entries {
		b := bucket(uint32(i))
		order[ends[b]] = uint32(i)
		ends[b]++
	}
	start := uint32(0)
	for _, end := range ends[:1<<width] {
		if end-start > 1 {
			slices.SortFunc(order[start:end], func(a, b uint32) int {
				return bytes.Compare(s.entries[a].key[:], s.entries[b].key[:])
			})
		}
		start = end
	}
	return order
}
