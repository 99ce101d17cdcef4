package telemetrygateway

import (
	"errors"
	"fmt"
	"io"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

// frameBytes is what gRPC and Connect put before each message.
const frameBytes = 5

// strangerBytes is how much somebody may send who has not said who it is.
const strangerBytes = 1 << 20

// buffers is how often connect-go holds what it reads, while its buffer grows.
const buffers = 2

// A body is what a call sends. It charges the memory budget for the message that
// is being read, and ends a message that is too long: connect-go itself would read
// it to its end to learn how long it is.
type body struct {
	io.ReadCloser

	peer    *peer // nil = the call is no stream
	lease   intake.Lease
	limit   int64 // bytes of one message, its frame included
	message int64 // bytes of this one, so far

	refused *daybook.Error // nothing more is read
	broken  error          // the connection's, before the end
}

// Read implements io.Reader. Errors that are not the connection's are connect-go's
// own type, which it passes on as they are. They come without bytes: a reader that
// has got all it asked for does not look at the error.
func (b *body) Read(p []byte) (int, error) {
	if b.refused != nil {
		return 0, intake.RPCError(b.refused)
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.broken = err
	}
	if n > 0 {
		b.peer.alive()
	}
	if b.message += int64(n); b.message > b.limit {
		b.refused = &daybook.Error{
			Code: daybook.TooLarge, Reason: intake.ReasonBodyTooLarge,
			Message: fmt.Sprintf("the message has more than %d bytes, which is the limit", b.limit-frameBytes),
		}
	} else {
		b.refused = b.lease.Grow(buffers * int64(n))
	}
	if b.refused != nil {
		return 0, intake.RPCError(b.refused)
	}
	return n, err
}

// decoded says that the message is there and has that many bytes, and charges what
// those are more than came on the wire, until next: it may take a while to store all
// that is in it. An error means that there is no memory.
func (b *body) decoded(bytes int) *daybook.Error {
	if int64(bytes) <= b.message {
		return nil
	}
	return b.lease.Grow(buffers * (int64(bytes) - b.message))
}

// next says that the message read last is no longer needed.
func (b *body) next() {
	b.message = 0
	b.lease.Release()
}
