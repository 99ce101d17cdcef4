package intake

import (
	"bytes"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is the window of zstd that RFC 8878 asks every decoder to support.
const maxWindow = 8 << 20

// zstdCodec reads zstd, also of several frames. Decoding into memory needs no
// window of its own; measuring does.
type zstdCodec struct{ decoder *zstd.Decoder }

// hint is the size that the first frame states, where it does.
func (zstdCodec) hint(src []byte) int64 {
	var h zstd.Header
	if err := h.Decode(src); err != nil || !h.HasFCS {
		return 0
	}
	return int64(min(h.FrameContentSize, 1<<40))
}

// fill takes every error for want of room: the decoder words a body that does
// not fit as it words a broken one, and measuring tells them apart.
func (c zstdCodec) fill(dst, src []byte) ([]byte, error) {
	out, err := c.decoder.DecodeAll(src, dst)
	if err != nil || cap(out) != cap(dst) { // or it moved to memory nobody has paid for
		return dst, errNoRoom
	}
	return out, nil
}

func (zstdCodec) measure(src []byte, limit int64) (int64, error) {
	r, err := zstd.NewReader(bytes.NewReader(src), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return countTo(r, limit)
}

// zstdMemory is what a zstd reader holds: a window, and as much again before it.
// It is the most that any codec needs.
const zstdMemory = 2 * maxWindow

func (zstdCodec) memory() int64 { return zstdMemory }

// newZstd returns a decoder for any number of goroutines. It starts none itself.
func newZstd() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		panic("intake: zstd: " + err.Error()) // the options above contradict each other
	}
	return d
}
