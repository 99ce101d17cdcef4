package wal

import (
	"fmt"
	"io"
)

// blockSize is how much is read at once.
const blockSize = 256 << 10

// A window is the part of a file that was read last.
type window struct {
	file  io.ReaderAt
	limit int64 // nothing at or behind it is read
	start int64 // offset of block[0]
	block []byte
}

// bytes returns the n bytes at offset, valid until the next call. They lie
// before the limit.
func (w *window) bytes(offset int64, n int) ([]byte, error) {
	if offset < w.start || offset+int64(n) > w.start+int64(len(w.block)) {
		if err := w.fill(offset, n); err != nil {
			return nil, err
		}
	}
	at := int(offset - w.start)
	return w.block[at : at+n], nil
}

func (w *window) fill(offset int64, n int) error {
	size := int(min(int64(max(n, blockSize)), w.limit-offset))
	if cap(w.block) < size {
		w.block = make([]byte, size)
	}
	w.block, w.start = w.block[:size], offset
	if n, err := w.file.ReadAt(w.block, offset); n < size {
		w.block = w.block[:0]
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read at %d: %w", offset, err)
	}
	return nil
}

// zeros reports whether nothing but zeros lies from offset to the limit: room
// that was never written to.
func (w *window) zeros(offset int64) bool {
	for offset < w.limit {
		b, err := w.bytes(offset, int(min(blockSize, w.limit-offset)))
		if err != nil {
			return false
		}
		for _, c := range b {
			if c != 0 {
				return false
			}
		}
		offset += int64(len(b))
	}
	return true
}
