package daybook_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
)

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
