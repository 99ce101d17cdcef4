package daybook_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
)

// dropping is a configuration whose every event is refused, and told to onDrop.
func dropping(onDrop func(daybook.Drop)) daybook.Config {
	m := &memory{answer: func(context.Context, []daybook.Event) error { return &daybook.Error{Code: daybook.Invalid} }}
	return daybook.Config{Sinks: to(m), Batch: daybook.BatchOptions{Events: 1}, OnDrop: onDrop, CloseWithin: time.Second}
}

func TestWhoIsSlowToHearOfDropsIsToldOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most, told atomic.Int64
		gate := make(chan struct{})
		c := open(t, dropping(func(d daybook.Drop) {
			most.Store(max(most.Load(), now.Add(1)))
			<-gate
			told.Add(int64(d.Events))
			now.Add(-1)
		}))
		for range 100 {
			record(t, c, "a")
			time.Sleep(time.Second)
		}
		close(gate)
		time.Sleep(time.Minute)
		_ = c.Close(t.Context())
		if most.Load() != 1 || told.Load() != 100 {
			t.Errorf("%d were told, to %d at once", told.Load(), most.Load())
		}
	})
}

func TestCloseDoesNotWaitForWhoHearsOfDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lock := make(chan struct{}, 1) // the application's own: held around Close, and wanted by OnDrop
		told := 0
		c := open(t, dropping(func(d daybook.Drop) {
			lock <- struct{}{}
			told += d.Events
			<-lock
		}))
		record(t, c, "a")
		_ = c.Flush(t.Context())
		lock <- struct{}{}
		start := time.Now()
		done := make(chan struct{})
		go func() {
			_ = c.Close(context.Background())
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(time.Minute):
		}
		took := time.Since(start)
		<-lock
		<-done
		synctest.Wait()
		if took > 2*time.Second || told != 1 {
			t.Errorf("Close took %v of a second, %d were told", took, told)
		}
	})
}
