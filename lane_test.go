package daybook_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/daybooktest"
)

func record(t *testing.T, c *daybook.Client, names ...string) {
	t.Helper()
	for _, name := range names {
		c.Record(t.Context(), daybook.Log, name)
	}
}

func TestAFullQueueDropsWhatItWasToldTo(t *testing.T) {
	for _, c := range []struct {
		name string
		when daybook.WhenFull
		want []string
	}{
		{"without a spool the newest", daybook.SpillElseDropNewest, []string{"1", "2", "3", "4"}},
		{"the newest", daybook.DropNewest, []string{"1", "2", "3", "4"}},
		{"the oldest that is not being sent", daybook.DropOldest, []string{"1", "2", "5", "6"}},
		{"the newest, where Record must not wait", daybook.Wait, []string{"1", "2", "3", "4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, gate := &memory{}, make(chan struct{})
				m.answers(func(context.Context, []daybook.Event) error { <-gate; return nil })
				client := open(t, daybook.Config{Sinks: to(m), Queue: daybook.QueueOptions{Events: 4, WhenFull: c.when}})
				record(t, client, "1", "2") // half of the queue makes a batch
				synctest.Wait()
				record(t, client, "3", "4", "5", "6")
				s := balanced(t, client)
				if s.Dropped["queue_full"] != 2 || s.Queued != 4 {
					t.Errorf("stats %+v", s)
				}
				close(gate)
				_ = client.Flush(t.Context())
				if got := m.names(); !slices.Equal(got, c.want) {
					t.Errorf("delivered %v, want %v", got, c.want)
				}
			})
		})
	}
}

func TestTheQueueIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{answer: down}
		c := open(t, daybook.Config{Sinks: to(m), Queue: daybook.QueueOptions{Bytes: 500}, CloseWithin: time.Millisecond})
		for range 20 {
			record(t, c, "a")
		}
		if s := balanced(t, c); s.Queued == 0 || s.Queued > 5 || s.Dropped["queue_full"] != 20-s.Queued {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestEnqueueSaysWhetherThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, gate := &memory{}, make(chan struct{})
		m.answers(func(context.Context, []daybook.Event) error { <-gate; return nil })
		c := open(t, daybook.Config{Sinks: to(m), Queue: daybook.QueueOptions{Events: 2, WhenFull: daybook.DropNewest}})
		one := c.Event(t.Context(), daybook.Log, "1")
		if err := c.Enqueue(t.Context(), one, daybook.Event{Name: "2"}); err != nil {
			t.Error(err)
		}
		if err := c.Enqueue(t.Context(), daybook.Event{Name: "3"}); !errors.Is(err, daybook.ErrFull) {
			t.Errorf("got %v, want ErrFull", err)
		}
		for _, bad := range []daybook.Event{{}, {Name: "a", Metadata: []byte("{")}, {Name: "a", Metadata: []byte("[]")}, {Name: "a", Metadata: []byte{}}} {
			err := c.Enqueue(t.Context(), daybook.Event{Name: "good"}, bad)
			if e, ok := errors.AsType[*daybook.Error](err); !ok || e.Code != daybook.Invalid || e.Index != 1 {
				t.Errorf("got %v for %+v", err, bad)
			}
		}
		close(gate)
		_ = c.Flush(t.Context())
		if got := m.all(); len(got) != 2 || got[0].ID != one.ID || got[1].ID == "" || got[1].Time.IsZero() {
			t.Errorf("delivered %+v", got)
		}
		_ = c.Close(t.Context())
		if err := c.Enqueue(t.Context(), daybook.Event{Name: "late"}); !errors.Is(err, daybook.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
		record(t, c, "late")
		if s := balanced(t, c); s.Dropped["closed"] != 2 {
			t.Errorf("dropped %v", s.Dropped)
		}
	})
}

func TestEnqueueWaitsForRoomWhereItIsToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, gate := &memory{}, make(chan struct{})
		m.answers(func(context.Context, []daybook.Event) error { <-gate; return nil })
		c := open(t, daybook.Config{Sinks: to(m), Queue: daybook.QueueOptions{Events: 2, WhenFull: daybook.Wait}})
		record(t, c, "1", "2")
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Enqueue(short, daybook.Event{Name: "impatient"}); daybook.CodeOf(err) != daybook.Exhausted || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		done := make(chan error)
		go func() { done <- c.Enqueue(t.Context(), daybook.Event{Name: "patient"}) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("it did not wait: %v", err)
		default:
		}
		close(gate)
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = c.Flush(t.Context())
		if got := m.names(); !slices.Equal(got, []string{"1", "2", "patient"}) {
			t.Errorf("delivered %v", got)
		}
		if s := balanced(t, c); s.Dropped["queue_full"] != 1 {
			t.Errorf("dropped %v", s.Dropped)
		}
	})
}

func TestASlowSinkDoesNotHoldUpAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quick, slow, gate := &memory{}, &memory{}, make(chan struct{})
		slow.answers(func(context.Context, []daybook.Event) error { <-gate; return nil })
		c := open(t, daybook.Config{Sinks: map[string]daybook.Sink{"quick": quick, "slow": slow}, Batch: daybook.BatchOptions{Events: 1}})
		record(t, c, "a", "b", "c")
		synctest.Wait()
		if got := quick.names(); len(got) != 3 {
			t.Errorf("the quick sink has %v", got)
		}
		if s := balanced(t, c); s.Recorded != 6 || s.Sinks["quick"].Delivered != 3 || s.Sinks["slow"].Queued != 3 {
			t.Errorf("stats %+v", s)
		}
		close(gate)
	})
}

func TestASinkThatPanicsCostsNothingButTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := &memory{}, 0
		m.answers(func(context.Context, []daybook.Event) error {
			if n++; n == 1 {
				panic("boom")
			}
			return nil
		})
		c := open(t, daybook.Config{Sinks: to(m), Batch: daybook.BatchOptions{Events: 1}})
		record(t, c, "a")
		time.Sleep(time.Second)
		synctest.Wait()
		if got := m.names(); len(got) != 1 {
			t.Errorf("delivered %v", got)
		}
	})
}

func TestCloseSaysWhatItLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{answer: down}
		c := open(t, daybook.Config{Sinks: to(m), CloseWithin: 3 * time.Second})
		record(t, c, "a", "b")
		start := time.Now()
		err := c.Close(t.Context())
		left, ok := errors.AsType[*daybook.UndeliveredError](err)
		if !ok || left.Lost != 2 || left.Queued != 0 || !errors.Is(err, error(errDown)) && daybook.CodeOf(err) != daybook.Unavailable {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > 3*time.Second+200*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if again := c.Close(t.Context()); !errors.Is(again, err) || m.closed != 1 {
			t.Errorf("the second Close said %v, the sink was closed %d times", again, m.closed)
		}
		if s := balanced(t, c); s.Dropped["closed"] != 2 {
			t.Errorf("dropped %v", s.Dropped)
		}
		if err := c.With().Close(t.Context()); err != nil {
			t.Errorf("closing a derived client said %v", err)
		}
	})
}

func TestCloseDoesNotWaitForASinkThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, gate := &memory{}, make(chan struct{})
		m.answers(func(context.Context, []daybook.Event) error { <-gate; return nil })
		c := open(t, daybook.Config{Sinks: to(m), Batch: daybook.BatchOptions{Events: 1}, CloseWithin: time.Second})
		record(t, c, "a", "b")
		synctest.Wait()
		start := time.Now()
		err := c.Close(t.Context())
		if left, ok := errors.AsType[*daybook.UndeliveredError](err); !ok || left.Lost != 2 || time.Since(start) > 2*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		close(gate) // the attempt ends at last: nothing is counted twice
		synctest.Wait()
		balanced(t, c)
	})
}

func TestAClientThatIsIdleHasNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		c := open(t, daybook.Config{Sinks: to(m)})
		record(t, c, "a")
		_ = c.Flush(t.Context())
		synctest.Wait()
		if got := ours(); len(got) > 0 {
			t.Errorf("goroutines are left:\n%s", got)
		}
	})
}

func TestAClientOfAGatewayIsIdleWithoutGoroutines(t *testing.T) {
	t.Setenv("DO_NOT_TRACK", "")
	before := runtime.NumGoroutine()
	g := daybooktest.Gateway(t)
	server := runtime.NumGoroutine() - before
	c, err := daybook.Open(daybook.Config{Gateway: g.URL, Spool: daybook.SpoolOptions{Dir: t.TempDir()}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	record(t, c, "a", "b")
	if err := c.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "nothing of ours runs", func() bool { return ours() == "" })
	// A connection that is kept open has two goroutines at our end, of net/http,
	// and one at the fake gateway's.
	eventually(t, "two goroutines are left at most", func() bool { return runtime.NumGoroutine()-before-server <= 2+1 })
	_ = c.Close(t.Context())
}

func TestDropsAreToldInOneLineAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var lines []string
		logger := slog.New(handler(func(r slog.Record) {
			mu.Lock()
			defer mu.Unlock()
			r.Attrs(func(a slog.Attr) bool {
				if a.Key == "events" {
					lines = append(lines, fmt.Sprintf("%s %v", r.Message, a.Value))
				}
				return true
			})
		}))
		dropped := 0
		m := &memory{}
		m.answers(func(context.Context, []daybook.Event) error { return &daybook.Error{Code: daybook.Invalid} })
		c := open(t, daybook.Config{Sinks: to(m), Batch: daybook.BatchOptions{Events: 1}, Logger: logger, OnDrop: func(d daybook.Drop) {
			mu.Lock()
			defer mu.Unlock()
			if d.Sink != "test" || d.Reason != "refused" {
				t.Errorf("told %+v", d)
			}
			dropped += d.Events
		}})
		for range 100 {
			record(t, c, "a")
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(lines) != 3 || dropped != 100 {
			t.Errorf("%d told to OnDrop, lines %q", dropped, lines)
		}
	})
}

type handler func(slog.Record)

func (h handler) Enabled(context.Context, slog.Level) bool      { return true }
func (h handler) Handle(_ context.Context, r slog.Record) error { h(r); return nil }
func (h handler) WithAttrs([]slog.Attr) slog.Handler            { return h }
func (h handler) WithGroup(string) slog.Handler                 { return h }
