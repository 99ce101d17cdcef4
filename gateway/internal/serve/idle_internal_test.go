package serve

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryIsReturnedOnceWhenTheWorkIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var allocated atomic.Uint64
		var returned atomic.Int64
		allocated.Store(worthReturning) // by opening
		w := idleWatch{
			allocated: allocated.Load,
			release:   func() { returned.Add(1) },
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); w.run(ctx) }()

		expect := func(after time.Duration, returns int64) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if n := returned.Load(); n != returns {
				t.Fatalf("after %s memory was returned %d times, want %d", time.Since(began), n, returns)
			}
		}
		expect(time.Second, 0)
		expect(idleLook, 1) // what opening took
		for range 60 {
			allocated.Add(idleBytes)
			expect(time.Second, 1) // a burst of a minute
		}
		expect(2*idleLook, 2)
		allocated.Add(worthReturning - 1)
		expect(time.Hour, 2) // too little to look for

		stop()
		<-ended
	})
}

func TestWhatIsAllocatedIsCounted(t *testing.T) {
	before := allocatedBytes()
	kept := make([]byte, worthReturning)
	if grown := allocatedBytes() - before; grown < uint64(len(kept)) {
		t.Errorf("counted %d bytes of %d", grown, len(kept))
	}
}
