package intake

import (
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"

	"daybook.dev"
)

// firstGuess is how much a small body may expand to before its size is measured.
const firstGuess = 1 << 20

// decompress replaces t's bytes by what they expand to.
//
// How much that is, only decompressing tells: what the headers say is the
// sender's claim. So a body that does not fit the first guess is decompressed
// to nowhere, up to the limit, and only what is known to fit is allocated. A
// bomb costs the time to count to the limit and no memory.
func (b *Body) decompress(t *Text, e encoding) *daybook.Error {
	limit := b.maxDecoded()
	c := b.codec(e)
	packed := t.buffer
	defer packed.free()
	t.buffer = buffer{lease: &t.lease}

	if err := t.buffer.resize(guess(c.hint(packed.bytes), int64(len(packed.bytes)), limit)); err != nil {
		return err
	}
	err := t.fill(c, packed.bytes)
	if !errors.Is(err, errNoRoom) && int64(len(t.buffer.bytes)) <= limit {
		return verdictOn(err, e)
	}
	size, refused := b.measure(t, c, e, packed.bytes, limit)
	if refused != nil {
		return refused
	}
	t.buffer.free()
	if err := t.buffer.resize(size); err != nil {
		return err
	}
	return verdictOn(t.fill(c, packed.bytes), e)
}

func (t *Text) fill(c codec, packed []byte) (err error) {
	t.buffer.bytes, err = c.fill(t.buffer.bytes[:0], packed)
	return err
}

// guess is how much memory to try first for a body of packed bytes whose sender
// hints at its size: what it says, unless that is much for so few bytes.
func guess(hint, packed, limit int64) int64 {
	if hint == 0 {
		hint = 8 * packed
	}
	return max(min(hint, max(firstGuess, 8*packed), limit), smallestBuffer)
}

// measure returns how many bytes packed expands to.
func (b *Body) measure(t *Text, c codec, e encoding, packed []byte, limit int64) (int64, *daybook.Error) {
	if err := t.lease.Grow(c.memory()); err != nil {
		return 0, err
	}
	defer t.lease.Shrink(c.memory())
	size, err := c.measure(packed, limit)
	if size > limit {
		return 0, tooLarge("the decompressed body", limit)
	}
	return size, verdictOn(err, e)
}

// errNoRoom says that a body expands to more than there is room for.
var errNoRoom = errors.New("no room for the decompressed body")

// A codec decompresses one encoding.
type codec interface {
	// hint is what src claims to expand to; 0 means that it claims nothing.
	hint(src []byte) int64
	// fill appends what src expands to to dst, which it does not grow: it fails
	// with errNoRoom instead.
	fill(dst, src []byte) ([]byte, error)
	// measure counts what src expands to, up to one byte more than limit.
	measure(src []byte, limit int64) (int64, error)
	// memory is what measuring needs at most.
	memory() int64
}

func (b *Body) codec(e encoding) codec {
	if e == gzipped {
		return gzipCodec{}
	}
	b.zstdOnce.Do(func() { b.zstd = newZstd() })
	return zstdCodec{b.zstd}
}

func verdictOn(err error, e encoding) *daybook.Error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return refusal(daybook.TooLarge, ReasonWindowTooLarge, "the zstd window is larger than 8 MiB; compress at a lower level")
	}
	refused := refusal(daybook.Invalid, ReasonInvalidCompression, "the body is not valid "+string(e))
	refused.Err = err
	return refused
}

// countTo reads r to its end, or to one byte more than limit.
func countTo(r io.Reader, limit int64) (int64, error) {
	n, err := io.CopyN(io.Discard, r, limit+1)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
