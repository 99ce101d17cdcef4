package logevent

import (
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
	for _, name := range [...]string{"Content-Encoding", "Grpc-Encoding"} {
		if encoding := h.Get(name); encoding != "" && encoding != "identity" {
			return true
		}
	}
	return false
}

// Read implements io.Reader. Errors that are not the connection's are
// connect-go's own type, which it passes on as they are.
func (b *chargedBody) Read(p []byte) (int, error) {
	if b.compressed {
		if err := b.charge(maxMessage); err != nil {
			return 0, err
		}
		b.compressed = false // once is enough
	}
	n, err := b.ReadCloser.Read(p)
	if b.read += int64(n); b.read > b.limit {
		return n, connectError(&daybook.Error{
			Code: daybook.TooLarge, Message: fmt.Sprintf("the body has more than %d bytes, which is the limit", maxMessage),
		})
	}
	if chargeErr := b.charge((1 + copies) * int64(n)); chargeErr != nil {
		return n, chargeErr
	}
	return n, err
}

// charge returns an error interface that is nil, and not a nil pointer in one.
func (b *chargedBody) charge(n int64) error {
	if err := b.lease.Grow(n); err != nil {
		return connectError(err)
	}
	return nil
}

func connectError(err *daybook.Error) error {
	answer := unread(err)
	wire := connect.NewError(answer.failure.code, errors.New(answer.failure.message))
	answer.setHeader(wire.Meta(), daybook.NotDurable)
	return wire
}
