package intake

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"daybook.dev"
)

const (
	defaultMaxBytes   = 16 << 20
	defaultMaxDecoded = 64 << 20
)

// A Body reads the bodies of requests within limits. The zero value works; set
// the fields before the first use. It is safe for concurrent use.
type Body struct {
	MaxBytes   int64   // of a body as sent; zero means 16 MiB
	MaxDecoded int64   // of a body after decompression, all members together; zero means 64 MiB
	Budget     *Budget // what bodies in flight are charged to; nil means no limit

	zstdOnce sync.Once
	zstd     *zstd.Decoder
}

// A Text is a request's body in memory, decompressed.
type Text struct {
	lease  Lease
	buffer buffer
}

// Bytes returns the body. It belongs to the Text until Release.
func (t *Text) Bytes() []byte { return t.buffer.bytes }

// Charge adds n bytes that the request needs beside its body. They are
// returned by Release.
func (t *Text) Charge(n int64) *daybook.Error { return t.lease.Grow(n) }

// Release gives the memory back. Nothing may use the bytes after it. Idempotent.
func (t *Text) Release() {
	t.buffer.free()
	t.lease.Release()
}

// Read reads r's body as a whole and decompresses it. An error means that
// nothing is held; nil means that the caller must Release the text.
func (b *Body) Read(r *http.Request) (*Text, *daybook.Error) {
	encoding, err := encodingOf(r.Header)
	if err != nil {
		return nil, err
	}
	t := &Text{lease: Lease{budget: b.Budget}}
	t.buffer.lease = &t.lease
	if err = b.receive(&t.buffer, r); err == nil && encoding != identity {
		err = b.decompress(t, encoding)
	}
	if err != nil {
		t.Release()
		return nil, err
	}
	return t, nil
}

// Announced is how many bytes r says that its body has: zero where it does not say,
// or says so many that nothing of it is read.
func (b *Body) Announced(r *http.Request) int64 {
	if r.ContentLength > b.maxBytes() {
		return 0
	}
	return max(r.ContentLength, 0)
}

// Peak is the most that Read charges at once.
func (b *Body) Peak() int64 {
	sent, decoded := sizeFor(b.maxBytes()+1), sizeFor(b.maxDecoded())
	receiving := 2 * sent // a buffer, and the larger one it moves to
	decompressing := sent + decoded + zstdMemory
	return max(receiving, decompressing)
}

// Largest is the most that a Text holds, and the most bytes it has.
func (b *Body) Largest() (held, length int64) {
	return max(sizeFor(b.maxBytes()+1), sizeFor(b.maxDecoded())), max(b.maxBytes(), b.maxDecoded())
}

func (b *Body) maxBytes() int64 { return orDefault(b.MaxBytes, defaultMaxBytes) }

func (b *Body) maxDecoded() int64 { return orDefault(b.MaxDecoded, defaultMaxDecoded) }

// receive reads the body as it was sent. The buffer doubles as bytes arrive, so
// that a sender who announces much and sends little holds no more than twice
// what it has sent.
func (b *Body) receive(dst *buffer, r *http.Request) *daybook.Error {
	limit := b.maxBytes()
	if r.ContentLength > limit {
		return tooLarge("the body", limit)
	}
	most := limit + 1 // one byte more than allowed, to see that there is one
	if r.ContentLength >= 0 {
		most = r.ContentLength + 1
	}
	if err := dst.resize(min(smallestBuffer, most)); err != nil {
		return err
	}
	for {
		n, err := r.Body.Read(dst.bytes[len(dst.bytes):cap(dst.bytes)])
		dst.bytes = dst.bytes[:len(dst.bytes)+n]
		switch {
		case int64(len(dst.bytes)) > limit:
			return tooLarge("the body", limit)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return incomplete(err)
		}
		if len(dst.bytes) < cap(dst.bytes) {
			continue
		}
		if err := dst.resize(min(2*int64(cap(dst.bytes)), most)); err != nil {
			return err
		}
	}
}

// incomplete says that the body ended early: the caller went away, was too
// slow, or broke the framing.
func incomplete(err error) *daybook.Error {
	e := refusal(daybook.Invalid, ReasonBodyIncomplete, "the body could not be read to its end")
	e.Err = err
	return e
}

func tooLarge(what string, limit int64) *daybook.Error {
	return refusal(daybook.TooLarge, ReasonBodyTooLarge, fmt.Sprintf("%s has more than %d bytes, which is the limit", what, limit))
}

func orDefault(n, otherwise int64) int64 {
	if n > 0 {
		return n
	}
	return otherwise
}

// An encoding is how a body is compressed.
type encoding string

const (
	identity encoding = ""
	gzipped  encoding = "gzip"
	zstded   encoding = "zstd"
)

var encodings = map[string]encoding{
	"": identity, "identity": identity,
	"gzip": gzipped, "x-gzip": gzipped,
	"zstd": zstded,
}

func encodingOf(h http.Header) (encoding, *daybook.Error) {
	values := h["Content-Encoding"]
	if len(values) == 0 {
		return identity, nil
	}
	given := strings.TrimSpace(strings.Join(values, ","))
	if strings.Contains(given, ",") {
		return identity, refusal(daybook.Unimplemented, ReasonUnsupportedEncoding,
			"the body has several content encodings; send at most one")
	}
	known, ok := encodings[strings.ToLower(given)]
	if !ok {
		return identity, refusal(daybook.Unimplemented, ReasonUnsupportedEncoding,
			fmt.Sprintf("content encoding %q is not supported; send gzip, zstd or none", clip(given)))
	}
	return known, nil
}

// clip keeps what a caller sent from filling a message.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
