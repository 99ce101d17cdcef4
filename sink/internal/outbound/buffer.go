package outbound

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// mostKept is the size of the largest buffer that is kept for the next request.
const mostKept = 4 << 20

// buffers hold the *[]byte of bodies that were sent.
var buffers sync.Pool

// Buffer returns an empty buffer, with the room of one that was used before.
func Buffer() []byte {
	if b, ok := buffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

// Reuse takes a buffer that nobody reads any more.
func Reuse(b []byte) {
	if cap(b) <= mostKept {
		buffers.Put(&b)
	}
}

// zippers hold *gzip.Writer, each most of a megabyte.
var zippers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return z
}}

// Gzip returns body compressed in another buffer, and takes body's.
func Gzip(body []byte) []byte {
	out := bytes.NewBuffer(Buffer())
	z := zippers.Get().(*gzip.Writer)
	z.Reset(out)
	_, _ = z.Write(body) // a bytes.Buffer takes everything
	_ = z.Close()
	z.Reset(nil) // keeps nothing of out
	zippers.Put(z)
	Reuse(body)
	return out.Bytes()
}
