package serve

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryIsReturnedOnceWhenTheWorkIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		allocated := uint64(worthReturning) // by opening
		var at []time.Duration
		w := idleWatch{
			allocated: func() uint64 { return allocated },
			release:   func() { at = append(at, time.Since(began)) },
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); w.run(ctx) }()

		expect := func(after time.Duration, returns int) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if len(at) != returns {
				t.Fatalf("after %s memory was returned at %v, want %d times", time.Since(began), at, returns)
			}
		}
		expect(time.Second, 0)
		expect(idleLook, 1) // what opening took
		for range 60 {
			allocated += idleBytes
			expect(time.Second, 1) // a burst of a minute
		}
		expect(2*idleLook, 2)
		allocated += worthReturning - 1
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
