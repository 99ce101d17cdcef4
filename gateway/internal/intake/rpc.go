package intake

import "connectrpc.com/connect"

// compressAbove is the size in bytes from which RPC answers are compressed for
// clients that ask for it. Smaller ones gain nothing and cost the compressor.
const compressAbove = 1 << 10

// RPCOptions are the options of every handler that connect-go makes for us.
// maxMessage is the size in bytes of the largest request, compressed or not.
func RPCOptions(maxMessage int) []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithReadMaxBytes(maxMessage),
		connect.WithCompressMinBytes(compressAbove),
	}
}
