package intake

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"strings"

	"daybook.dev"
)

// ReasonInvalidCall is in metrics and the log: connect-go refused a call by
// itself.
const ReasonInvalidCall = "invalid_call"

// An RPCBody charges the memory budget for what connect-go reads of a unary call,
// and ends a body that is too long: connect-go itself would read it to its end
// to learn how long it is.
type RPCBody struct {
	io.ReadCloser

	// Lease is what the call holds. Whoever made the body releases it when the
	// call is answered.
	Lease Lease

	refuse  func(*daybook.Error) error
	limit   int64 // bytes on the wire
	message int64 // bytes of the message
	read    int64
	refused *daybook.Error // nothing more is read
	broken  error          // the connection's, before the body's end
}

// rpcCopies is how often decoding holds what was read once more.
const rpcCopies = 2

// NewRPCBody returns the body of r as connect-go is to read it, charged to
// budget: what has come, so that a sender who announces much and sends little holds
// little. What it is decompressed to is the options' to charge (see
// ChargedRPCOptions), and then Decoded's. A message has at most maxMessage bytes,
// compressed or not. Refuse says an error in connect-go's own type, which it passes
// on as it is.
func NewRPCBody(r *http.Request, budget *Budget, maxMessage int64, refuse func(*daybook.Error) error) *RPCBody {
	return &RPCBody{
		ReadCloser: r.Body, Lease: budget.Lease(), refuse: refuse,
		limit: wireLimit(r.Header, maxMessage), message: maxMessage,
	}
}

// wireLimit is how many bytes a call may have on the wire. gRPC puts a frame
// around the message.
func wireLimit(h http.Header, maxMessage int64) int64 {
	const frame = 5
	if strings.HasPrefix(h.Get("Content-Type"), "application/grpc") {
		return maxMessage + frame
	}
	return maxMessage
}

// compressed reports whether a request's message may grow when it is decoded.
func compressed(h http.Header) bool {
	encoding := rpcEncoding(h)
	return encoding != "" && encoding != "identity"
}

// rpcEncoding is how a request says that its message is compressed.
func rpcEncoding(h http.Header) string {
	return cmp.Or(h.Get("Content-Encoding"), h.Get("Grpc-Encoding"))
}

// Read implements io.Reader. Its own errors come without bytes: a reader that
// has got all it asked for does not look at the error.
func (b *RPCBody) Read(p []byte) (int, error) {
	if b.refused != nil {
		return 0, b.refuse(b.refused)
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.broken = err
	}
	if b.read += int64(n); b.read > b.limit {
		b.refused = tooLarge("the body", b.message)
	} else {
		b.refused = b.Lease.Grow((1 + rpcCopies) * int64(n))
	}
	if b.refused != nil {
		return 0, b.refuse(b.refused)
	}
	return n, err
}

// Received is how many bytes were read.
func (b *RPCBody) Received() int64 { return b.read }

// Decoded tells that the message is there and has that many bytes, and charges what
// those are more than came on the wire. An error means that there is no memory.
func (b *RPCBody) Decoded(bytes int64) *daybook.Error {
	if bytes <= b.read {
		return nil
	}
	return b.Lease.Grow((1 + rpcCopies) * (bytes - b.read))
}

// Untaken is why connect-go did not hand the call on, as far as can be seen from
// outside.
func (b *RPCBody) Untaken(r *http.Request) *daybook.Error {
	switch {
	case b.refused != nil:
		return b.refused
	case b.broken != nil:
		return &daybook.Error{Code: daybook.Invalid, Reason: ReasonBodyIncomplete, Err: b.broken}
	case r.Method != http.MethodPost:
		return &daybook.Error{Code: daybook.Unimplemented, Reason: ReasonMethodNotAllowed}
	case compressed(r.Header) && rpcEncoding(r.Header) != string(gzipped):
		return &daybook.Error{Code: daybook.Unimplemented, Reason: ReasonUnsupportedEncoding}
	}
	return &daybook.Error{Code: daybook.Invalid, Reason: ReasonInvalidCall}
}
