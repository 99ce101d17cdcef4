package intake

import (
	"errors"
	"fmt"
	"io"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/gzip"

	"daybook.dev"
)

// compressAbove is the size in bytes from which RPC answers are compressed for
// clients that ask for it. Smaller ones gain nothing and cost the compressor.
const compressAbove = 1 << 10

// RPCOptions are the options of every handler that connect-go makes for us.
// maxMessage is the size in bytes of the largest request, compressed or not.
func RPCOptions(maxMessage int) []connect.HandlerOption {
	return ChargedRPCOptions(maxMessage, nil, nil)
}

// ChargedRPCOptions are RPCOptions for messages that may become large: what they
// are decompressed to is charged to the budget, as it grows and until it is whole.
// Refuse says in connect-go's own type, which it passes on as it is, that there is
// no memory; nil means RPCError.
func ChargedRPCOptions(maxMessage int, budget *Budget, refuse func(*daybook.Error) error) []connect.HandlerOption {
	if refuse == nil {
		refuse = func(err *daybook.Error) error { return RPCError(err) }
	}
	return []connect.HandlerOption{
		connect.WithReadMaxBytes(maxMessage),
		connect.WithCompressMinBytes(compressAbove),
		connect.WithCompression(string(gzipped),
			func() connect.Decompressor { return &gunzip{most: maxMessage, lease: budget.Lease(), refuse: refuse} },
			func() connect.Compressor { return gzip.NewWriter(io.Discard) },
		),
	}
}

// A gunzip ends with an error behind the largest message, or where there is no
// memory for it. With any other decompressor connect-go reads on, to its end, only
// to say in the error how large the message would have been: a bomb of 1 MiB is a
// gigabyte of work.
type gunzip struct {
	gzip.Reader

	lease  Lease
	refuse func(*daybook.Error) error
	most   int
	read   int
}

// Reset implements connect.Decompressor.
func (g *gunzip) Reset(src io.Reader) error {
	g.read = 0
	g.lease.Release()
	return g.Reader.Reset(src)
}

// Read implements connect.Decompressor.
func (g *gunzip) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p[:min(len(p), g.most+1-g.read)])
	if problem := g.lease.Grow(growth * int64(n)); problem != nil {
		return n, g.refuse(problem)
	}
	if g.read += n; g.read <= g.most {
		return n, err
	}
	tooLong := fmt.Sprintf("the decompressed body has more than %d bytes, which is the limit", g.most)
	return n, connect.NewError(connect.CodeResourceExhausted, errors.New(tooLong))
}

// growth is how often connect-go holds what it reads: its buffer doubles.
const growth = 2

// Close implements connect.Decompressor. The message is decoded now, by those who
// charge for themselves what they make of it.
func (g *gunzip) Close() error {
	g.lease.Release()
	return g.Reader.Close()
}

// RPCError is an error as connect-go writes it.
func RPCError(err *daybook.Error) *connect.Error {
	wire := connect.NewError(RPCCode(err), errors.New(err.Message))
	if err.RetryAfter > 0 {
		wire.Meta()["Retry-After"] = []string{RetryAfter(nil, err)}
	}
	return wire
}
