package main

import (
	"runtime/debug"

	"daybook.dev/gateway/internal/serve"
)

const (
	// collectPercent: little lives for long in a gateway, some 10 MiB, and
	// Go's default of 100 would collect after every few thousand events.
	collectPercent = 200

	// besides is the memory that the gateway needs besides requests in flight.
	besides = 192 << 20
)

// tuneCollector lets the garbage collector run less often while there is room,
// and as often as it takes when requests in flight come near their limit. GOGC
// and GOMEMLIMIT in the environment are left alone.
func tuneCollector(c serve.Config, env func(string) (string, bool)) {
	if _, set := env("GOGC"); !set {
		debug.SetGCPercent(collectPercent)
	}
	if _, set := env("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(int64(c.Limits.Memory) + besides)
	}
}
