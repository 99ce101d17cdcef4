package serve

import (
	"context"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

const (
	// idleLook is how often a gateway looks whether it is idle.
	idleLook = 5 * time.Second

	// idleBytes is how much is allocated between two looks at most by a gateway
	// that is idle: probes, a scrape, some events.
	idleBytes = 8 << 20

	// worthReturning is how much must have been allocated since memory was last
	// returned: a collection that returns nothing is for nothing.
	worthReturning = 16 << 20
)

// An idleWatch returns memory to the operating system once the work that needed
// it is over. Left alone, Go's runtime would keep what a burst of events took
// until its next collection, which on an idle gateway is minutes away.
type idleWatch struct {
	allocated func() uint64 // bytes, since the start of the program
	release   func()
}

func newIdleWatch() idleWatch {
	return idleWatch{allocated: allocatedBytes, release: debug.FreeOSMemory}
}

// run looks until ctx ends. What opening took counts too.
func (w idleWatch) run(ctx context.Context) {
	look := time.NewTicker(idleLook)
	defer look.Stop()
	seen, released := w.allocated(), uint64(0)
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
		now := w.allocated()
		if now-seen < idleBytes && now-released >= worthReturning {
			w.release()
			released = now
		}
		seen = now
	}
}

func allocatedBytes() uint64 {
	sample := []runtimemetrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	runtimemetrics.Read(sample)
	return sample[0].Value.Uint64()
}
