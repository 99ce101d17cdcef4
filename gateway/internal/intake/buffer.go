package intake

import (
	"math/bits"
	"sync"

	"daybook.dev"
)

// Buffers come in powers of two from 4 KiB. Those of up to 1 MiB are used
// again; larger ones are rare and go back to the garbage collector.
const (
	smallestBuffer = 4 << 10
	largestPooled  = 1 << 20
	poolClasses    = 9
)

var bufferPools [poolClasses]sync.Pool

// class is the index of the smallest class of buffers that have room for n
// bytes.
func class(n int64) int {
	return max(0, bits.Len64(uint64(n-1))-bits.Len64(smallestBuffer-1))
}

// sizeFor is the size of the buffer that has room for n bytes.
func sizeFor(n int64) int64 {
	if c := class(n); c < poolClasses {
		return smallestBuffer << c
	}
	return n
}

// A buffer is memory that a lease pays for: by its capacity, because that is
// what the process holds.
type buffer struct {
	lease *Lease
	bytes []byte
}

// resize makes room for n bytes, keeping what is there.
func (b *buffer) resize(n int64) *daybook.Error {
	if int64(cap(b.bytes)) >= n {
		return nil
	}
	size := sizeFor(n)
	if err := b.lease.Grow(size); err != nil {
		return err
	}
	larger := append(fresh(size), b.bytes...)
	b.free()
	b.bytes = larger
	return nil
}

// fresh returns an empty buffer of exactly the given capacity.
func fresh(size int64) []byte {
	if size > largestPooled {
		return make([]byte, 0, size)
	}
	if pooled, ok := bufferPools[class(size)].Get().(*[]byte); ok {
		return (*pooled)[:0]
	}
	return make([]byte, 0, size)
}

// free gives the memory back. Idempotent.
func (b *buffer) free() {
	size := int64(cap(b.bytes))
	if size == 0 {
		return
	}
	b.lease.Shrink(size)
	if size <= largestPooled {
		pooled := b.bytes[:0]
		bufferPools[class(size)].Put(&pooled)
	}
	b.bytes = nil
}
