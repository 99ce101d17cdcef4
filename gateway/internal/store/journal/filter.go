package journal

import (
	"encoding/binary"
	"math/bits"

	"daybook.dev/gateway/internal/store"
)

// A filter says which keys are certainly not in a chunk, in two bytes per key.
// It is a Bloom filter in blocks of one cache line (Putze, Sanders, Singler:
// "Cache-, Hash- and Space-Efficient Bloom Filters"): about one key in a
// thousand passes without being there.
type filter []block

type block [8]uint64

const (
	keysPerBlock = 32
	bitsPerKey   = 7 // 7 × 9 bits of the second half of a key choose bits in a block
)

func newFilter(keys int) filter { return make(filter, keys/keysPerBlock+1) }

// block returns the number of the block for key, and the bits to look at.
func (f filter) block(key store.Key) (int, uint64) {
	n, _ := bits.Mul64(binary.BigEndian.Uint64(key[:8]), uint64(len(f)))
	return int(n), binary.BigEndian.Uint64(key[8:])
}

func (f filter) add(key store.Key) {
	n, choice := f.block(key)
	for range bitsPerKey {
		f[n][choice>>6&7] |= 1 << (choice & 63)
		choice >>= 9
	}
}

// has reports whether key may have been added.
func (f filter) has(key store.Key) bool {
	n, choice := f.block(key)
	for range bitsPerKey {
		if f[n][choice>>6&7]&(1<<(choice&63)) == 0 {
			return false
		}
		choice >>= 9
	}
	return true
}
