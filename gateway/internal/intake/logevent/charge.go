package logevent

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

// A chargedBody charges the memory budget for what connect-go reads, and ends a
// body that is too long: connect-go itself would read it to its end to learn
// how long it is.
type chargedBody struct {
	io.ReadCloser
	lease      intake.Lease
	limit      int64 // bytes on the wire
	compressed bool  // what it grows to when it is decoded is not charged yet
	read       int64
	refused    *daybook.Error // nothing more is read
	broken     error          // the connection's, before the body's end
}

// copies is how often decoding holds what was read once more: metadata is
// written down afresh, into memory that may be twice its size.
const copies = 2

// wireLimit is how many bytes a call may have on the wire. gRPC puts a frame
// around the message.
func wireLimit(h http.Header) int64 {
	const frame = 5
	if strings.HasPrefix(h.Get("Content-Type"), "application/grpc") {
		return maxMessage + frame
	}
	return maxMessage
}

// compressed reports whether a request's message may grow when it is decoded.
func compressed(h http.Header) bool {
	encoding := encodingOf(h)
	return encoding != "" && encoding != "identity"
}

// knownEncoding reports whether connect-go can decompress a request's message.
func knownEncoding(h http.Header) bool { return !compressed(h) || encodingOf(h) == "gzip" }

// encodingOf is how a request says that its message is compressed.
func encodingOf(h http.Header) string {
	return cmp.Or(h.Get("Content-Encoding"), h.Get("Grpc-Encoding"))
}

// Read implements io.Reader. Errors that are not the connection's are
// connect-go's own type, which it passes on as they are. They come without
// bytes: a reader that has got all it asked for does not look at the error.
func (b *chargedBody) Read(p []byte) (int, error) {
	if b.refused == nil && b.compressed {
		b.compressed = false
		b.refused = b.lease.Grow(maxMessage)
	}
	if b.refused != nil {
		return 0, connectError(b.refused)
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.broken = err
	}
	if b.read += int64(n); b.read > b.limit {
		b.refused = &daybook.Error{
			Code: daybook.TooLarge, Reason: intake.ReasonBodyTooLarge, Message: fmt.Sprintf("the body has more than %d bytes, which is the limit", maxMessage),
		}
	} else {
		b.refused = b.lease.Grow((1 + copies) * int64(n))
	}
	if b.refused != nil {
		return 0, connectError(b.refused)
	}
	return n, err
}

func connectError(err *daybook.Error) error {
	answer := unread(err)
	wire := connect.NewError(answer.failure.code, errors.New(answer.failure.message))
	answer.setHeader(wire.Meta(), daybook.NotDurable)
	return wire
}
