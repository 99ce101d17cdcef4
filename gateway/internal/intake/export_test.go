package intake

import "connectrpc.com/connect"

// Gunzip is the decompressor of RPCs for messages of at most that many bytes.
func Gunzip(most int) connect.Decompressor { return &gunzip{most: most} }
