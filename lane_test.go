package daybook_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
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

func TestAFailedBatchIsTriedAgainWithTheSameIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{answer: down}
		var ids []string
		var at []time.Duration
		start := time.Now()
		m.answers(func(_ context.Context, events []daybook.Event) error {
			ids, at = append(ids, string(append([]byte(nil), events[0].ID...))), append(at, time.Since(start))
			if len(at) < 5 {
				return errDown
			}
			return nil
		})
		c := open(t, daybook.Config{Sinks: to(m), Batch: daybook.BatchOptions{Events: 1}, Retry: daybook.RetryOptions{Min: time.Second, Max: 4 * time.Second}})
		record(t, c, "a")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if len(at) != 5 || len(m.all()) != 1 {
			t.Fatalf("attempts at %v, delivered %v", at, m.names())
		}
		for i, most := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
			if gap := at[i+1] - at[i]; gap > most {
				t.Errorf("%v after attempt %d, at most %v", gap, i+1, most)
			}
			if ids[i+1] != ids[0] {
				t.Errorf("the ID changed: %v", ids)
			}
		}
		balanced(t, c)
	})
}

func TestRetryAfterIsTheLeastWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		var second time.Duration
		start, n := time.Now(), 0
		m.answers(func(context.Context, []daybook.Event) error {
			if n++; n == 1 {
				return &daybook.Error{Code: daybook.Exhausted, RetryAfter: 30 * time.Second}
			}
			second = time.Since(start)
			return nil
		})
		c := open(t, daybook.Config{Sinks: to(m), Batch: daybook.BatchOptions{Events: 1}})
		record(t, c, "a")
		time.Sleep(time.Minute)
		synctest.Wait()
		if second < 30*time.Second || second > 31*time.Second {
			t.Errorf("tried again after %v, want 30s", second)
		}
	})
}

func TestErrorsAreTreatedByTheirClass(t *testing.T) {
	codeOf := func(c daybook.Code) error { return &daybook.Error{Code: c, Message: "no"} }
	for _, c := range []struct {
		name    string
		err     error
		reason  string        // the events are dropped for
		retried time.Duration // at the latest; 0 = never
	}{
		{"a transient error is tried again", codeOf(daybook.Unavailable), "", time.Second},
		{"so is one without a code", errors.New("odd"), "", time.Second},
		{"an event that is refused is dropped", codeOf(daybook.Invalid), "refused", 0},
		{"so is a conflict", codeOf(daybook.Conflict), "refused", 0},
		{"and one that is too large by itself", codeOf(daybook.TooLarge), "too_large", 0},
		{"a wrong key keeps everything and is tried slowly", codeOf(daybook.Unauthenticated), "", time.Minute},
		{"so does a missing right", codeOf(daybook.Denied), "", time.Minute},
		{"and whoever is no gateway", codeOf(daybook.Unimplemented), "", time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &memory{answer: func(context.Context, []daybook.Event) error { return c.err }}
				client := open(t, daybook.Config{
					Sinks: to(m), Batch: daybook.BatchOptions{Events: 2}, Retry: daybook.RetryOptions{Min: time.Second, Max: time.Minute}, CloseWithin: time.Millisecond,
				})
				record(t, client, "a", "b")
				synctest.Wait()
				s := balanced(t, client)
				if c.reason != "" {
					if s.Dropped[c.reason] != 2 || s.Queued != 0 {
						t.Errorf("stats %+v", s)
					}
					return
				}
				if s.Queued != 2 {
					t.Errorf("stats %+v", s)
				}
				before := m.written()
				m.answers(nil)
				if c.retried == time.Minute {
					time.Sleep(59 * time.Second)
					synctest.Wait()
					if m.written() != before {
						t.Error("tried again too soon")
					}
					time.Sleep(time.Second)
				} else {
					time.Sleep(c.retried)
				}
				synctest.Wait()
				if got := m.names(); !slices.Equal(got, []string{"a", "b"}) {
					t.Errorf("delivered %v", got)
				}
			})
		})
	}
}

func TestABatchIsSplitToFindWhoIsAtFault(t *testing.T) {
	for _, code := range []daybook.Code{daybook.TooLarge, daybook.Invalid} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{}
			m.answers(func(_ context.Context, events []daybook.Event) error {
				if slices.ContainsFunc(events, func(e daybook.Event) bool { return e.Name == "bad" }) {
					return &daybook.Error{Code: code}
				}
				return nil
			})
			c := open(t, daybook.Config{Sinks: to(m), Batch: daybook.BatchOptions{Events: 5}})
			record(t, c, "a", "b", "bad", "c", "d")
			synctest.Wait()
			if got := m.names(); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
				t.Errorf("delivered %v", got)
			}
			if s := balanced(t, c); s.Dropped["refused"]+s.Dropped["too_large"] != 1 {
				t.Errorf("dropped %v", s.Dropped)
			}
		})
	}
}

func TestOnlyWhatFailedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := &memory{}, 0
		m.answers(func(_ context.Context, events []daybook.Event) error {
			if n++; n > 1 {
				return nil
			}
			var failed []daybook.Outcome
			for _, e := range events {
				switch e.Name {
				case "later":
					failed = append(failed, daybook.Outcome{ID: e.ID, Status: daybook.Failed, Err: errDown})
				case "never":
					failed = append(failed, daybook.Outcome{ID: e.ID, Status: daybook.Refused})
				default:
					m.take([]daybook.Event{e})
				}
			}
			return &daybook.PartialError{Failed: failed}
		})
		c := open(t, daybook.Config{Sinks: to(m), Batch: daybook.BatchOptions{Events: 4}})
		record(t, c, "a", "later", "never", "b")
		time.Sleep(time.Second)
		synctest.Wait()
		if got := m.names(); !slices.Equal(got, []string{"a", "b", "later"}) {
			t.Errorf("delivered %v", got)
		}
		if s := balanced(t, c); s.Delivered != 3 || s.Dropped["refused"] != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestAfterSoManyAttemptsABatchIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{answer: down}
		c := open(t, daybook.Config{Sinks: to(m), Batch: daybook.BatchOptions{Events: 1}, Retry: daybook.RetryOptions{Attempts: 3}})
		record(t, c, "a")
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := balanced(t, c); m.written() != 3 || s.Dropped["failed"] != 1 {
			t.Errorf("%d attempts, dropped %v", m.written(), s.Dropped)
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
