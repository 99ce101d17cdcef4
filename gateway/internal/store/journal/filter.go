package journal

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"daybook.dev/gateway/internal/store"
)

// A filter says which keys are certainly not in a set, in two bytes per key.
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

// block returns the block for key, and the bits to look at.
func (f filter) block(key store.Key) (*block, uint64) {
	n, _ := bits.Mul64(binary.BigEndian.Uint64(key[:8]), uint64(len(f)))
	return &f[n], binary.BigEndian.Uint64(key[8:])
}

// add enters key while nobody else uses the filter.
func (f filter) add(key store.Key) {
	b, choice := f.block(key)
	for range bitsPerKey {
		b[choice>>6&7] |= 1 << (choice & 63)
		choice >>= 9
	}
}

// addShared enters key while others ask.
func (f filter) addShared(key store.Key) {
	b, choice := f.block(key)
	for range bitsPerKey {
		atomic.OrUint64(&b[choice>>6&7], 1<<(choice&63))
		choice >>= 9
	}
}

// has reports whether key may have been added. It looks at all bits before it
// decides: a branch per bit could not be foretold, and while the processor
// waits for one filter's memory it can ask for the next one's.
func (f filter) has(key store.Key) bool {
	b, choice := f.block(key)
	found := uint64(1)
	for range bitsPerKey {
		found &= atomic.LoadUint64(&b[choice>>6&7]) >> (choice & 63)
		choice >>= 9
	}
	return found != 0
}

func (f filter) bytes() int64 { return int64(len(f)) * 64 }
