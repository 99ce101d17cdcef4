package intake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipMemory is what a gzip reader holds: a window of 32 KiB and its tables.
const gzipMemory = 64 << 10

// gzipCodec reads gzip, also of several members.
type gzipCodec struct{}

// A gzipReader is used again, and between uses keeps nobody's body alive. It goes
// from member to member itself: the package takes a member that ends in the middle
// of its file's name for the end of them all.
type gzipReader struct {
	member gzip.Reader
	src    bytes.Reader
}

var gzipReaders = sync.Pool{New: func() any { return new(gzipReader) }}

// open returns a reader of src. It must be closed, error or not.
func (gzipCodec) open(src []byte) (*gzipReader, error) {
	r := gzipReaders.Get().(*gzipReader)
	r.src.Reset(src)
	return r, r.next()
}

// next begins the next member, which must be there.
func (r *gzipReader) next() error {
	err := r.member.Reset(&r.src)
	r.member.Multistream(false)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Read implements io.Reader.
func (r *gzipReader) Read(p []byte) (int, error) {
	n, err := r.member.Read(p)
	if errors.Is(err, io.EOF) && r.src.Len() > 0 {
		err = r.next()
	}
	return n, err
}

func (r *gzipReader) release() {
	r.src.Reset(nil)
	gzipReaders.Put(r)
}

// hint is the size at the end of the last member, which is all of them as a
// rule.
func (gzipCodec) hint(src []byte) int64 {
	if len(src) < 4 {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(src[len(src)-4:]))
}

func (c gzipCodec) fill(dst, src []byte) ([]byte, error) {
	r, err := c.open(src)
	defer r.release()
	for err == nil && len(dst) < cap(dst) {
		var n int
		n, err = r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
	}
	if err == nil {
		// The room is used up. Whether this is the end, and whether the
		// checksum holds, only asking for more tells.
		var more [1]byte
		if _, err = io.ReadFull(r, more[:]); err == nil {
			return dst, errNoRoom
		}
	}
	if errors.Is(err, io.EOF) {
		return dst, nil
	}
	return dst, err
}

func (c gzipCodec) measure(src []byte, limit int64) (int64, error) {
	r, err := c.open(src)
	defer r.release()
	if err != nil {
		return 0, err
	}
	return countTo(r, limit)
}

func (gzipCodec) memory() int64 { return gzipMemory }
