package daybook_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
)

func TestTheLargestValuesAreValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, retry := range map[string]daybook.RetryOptions{
			"Min":  {Min: math.MaxInt64},
			"Max":  {Max: math.MaxInt64},
			"both": {Min: 100 * 24 * time.Hour, Max: math.MaxInt64},
		} {
			m := &memory{answer: down}
			c := open(t, daybook.Config{Sinks: to(m), Retry: retry, Batch: daybook.BatchOptions{Age: math.MaxInt64}})
			record(t, c, "a")
			for range 40 { // each is an attempt
				ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
				_ = c.Flush(ctx)
				synctest.Wait()
				cancel()
			}
			if m.written() < 40 {
				t.Errorf("%s: %d attempts", name, m.written())
			}
			_ = c.Close(t.Context())
		}
	})
}

func TestAQueueWithoutABoundMakesBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		c := open(t, daybook.Config{Sinks: to(m), Queue: daybook.QueueOptions{Events: math.MaxInt, Bytes: math.MaxInt}})
		for range 100 {
			record(t, c, "a")
		}
		_ = c.Flush(t.Context())
		if len(m.all()) != 100 || m.written() != 1 {
			t.Errorf("%d events in %d batches", len(m.all()), m.written())
		}
	})
}

func TestAnEventLargerThanTheQueueCostsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, gate := &memory{}, make(chan struct{})
		m.answers(func(context.Context, []daybook.Event) error { <-gate; return nil })
		c := open(t, daybook.Config{
			Sinks: to(m), Batch: daybook.BatchOptions{Events: 1},
			Queue: daybook.QueueOptions{Bytes: 4 << 10, WhenFull: daybook.DropOldest},
		})
		record(t, c, "1")
		synctest.Wait()
		record(t, c, "2", "3")
		large := daybook.Event{Name: "large", Metadata: []byte(`{"a":"` + strings.Repeat("x", 4<<10) + `"}`)}
		if err := c.Enqueue(t.Context(), large); !errors.Is(err, daybook.ErrFull) {
			t.Errorf("got %v, want ErrFull", err)
		}
		// What is being sent cannot give way: together with it this is too large.
		large.Metadata = []byte(`{"a":"` + strings.Repeat("x", 4<<10-170) + `"}`)
		if err := c.Enqueue(t.Context(), large); !errors.Is(err, daybook.ErrFull) {
			t.Errorf("got %v, want ErrFull", err)
		}
		close(gate)
		_ = c.Flush(t.Context())
		if got := m.names(); !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("delivered %v", got)
		}
		balanced(t, c)
	})
}

func TestNobodyWaitsForRoomThatThereWillNotBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, daybook.Config{Sinks: to(&memory{}), Queue: daybook.QueueOptions{Bytes: 4 << 10, WhenFull: daybook.Wait}})
		done := make(chan error, 1)
		go func() {
			done <- c.Enqueue(t.Context(), daybook.Event{Name: "large", Metadata: []byte(`{"a":"` + strings.Repeat("x", 4<<10) + `"}`)})
		}()
		synctest.Wait()
		select {
		case err := <-done:
			if !errors.Is(err, daybook.ErrFull) {
				t.Errorf("got %v, want ErrFull", err)
			}
		default:
			t.Error("it waits for ever")
		}
		balanced(t, c)
	})
}

// Or it would look a million times a second whether there is room.
func TestWhoWaitsForRoomSleepsWhileTheSinkIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{answer: down}
		c := open(t, daybook.Config{
			Sinks: to(m), Queue: daybook.QueueOptions{Events: 2, WhenFull: daybook.Wait},
			Retry: daybook.RetryOptions{Min: time.Hour, Max: time.Hour},
		})
		record(t, c, "1", "2")
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- c.Enqueue(t.Context(), daybook.Event{Name: "3"}) }()
		synctest.Wait() // never returns where somebody runs all the time
		m.answers(nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = c.Flush(t.Context())
		if got := m.names(); !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("delivered %v", got)
		}
	})
}

func TestTheEventThatStoppedWaitingIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full, quick := &memory{answer: down}, &memory{}
		c := open(t, daybook.Config{
			Sinks: map[string]daybook.Sink{"full": full, "quick": quick},
			Queue: daybook.QueueOptions{Events: 2, WhenFull: daybook.Wait},
		})
		record(t, c, "1", "2")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := c.Enqueue(ctx, daybook.Event{Name: "3"}, daybook.Event{Name: "4"})
		if e, ok := errors.AsType[*daybook.Error](err); !ok || e.Code != daybook.Exhausted || e.Index != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		s := balanced(t, c)
		if s.Sinks["full"].Dropped["queue_full"] != 1 || s.Dropped["queue_full"] != 2 || s.Sinks["quick"].Recorded != 3 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestWhoWaitsTogetherGetsRoomInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		m.answers(func(context.Context, []daybook.Event) error { time.Sleep(time.Millisecond); return nil })
		c := open(t, daybook.Config{Sinks: to(m), Queue: daybook.QueueOptions{Events: 2, WhenFull: daybook.Wait}})
		var all sync.WaitGroup
		var full atomic.Int64
		for i := range 20 {
			all.Go(func() {
				for n := range 20 {
					if err := c.Enqueue(t.Context(), daybook.Event{Name: strconv.Itoa(20*i + n)}); err != nil {
						full.Add(1)
					}
				}
			})
		}
		all.Wait()
		_ = c.Flush(t.Context())
		if n := len(m.all()); n != 400 || full.Load() != 0 {
			t.Errorf("%d delivered; %d were told that the queue is full, although they wait", n, full.Load())
		}
		balanced(t, c)
	})
}
