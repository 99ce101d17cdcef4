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

// flushing begins a Flush without a deadline and returns what tells of its end.
func flushing(t *testing.T, c *daybook.Client) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Flush(t.Context()) }()
	return done
}

// ended fails the test where a Flush has not ended, although nothing will happen
// any more that it could wait for.
func ended(t *testing.T, flush <-chan error) error {
	t.Helper()
	time.Sleep(time.Hour)
	synctest.Wait()
	select {
	case err := <-flush:
		return err
	default:
		t.Fatal("Flush waits for ever")
		return nil
	}
}

func TestFlushOfAClosedClientSaysWhatIsLeft(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := open(t, spooled(dir, &memory{answer: down}))
		record(t, c, "a", "b", "c")
		_ = c.Close(t.Context())
		err := ended(t, flushing(t, c))
		if left, ok := errors.AsType[*daybook.UndeliveredError](err); !ok || left.Spooled != 3 || left.Queued != 0 {
			t.Errorf("it said %v", err)
		}
	})
}

func TestCloseEndsAFlushUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, gate := &memory{}, make(chan struct{})
		defer close(gate)
		m.answers(func(context.Context, []daybook.Event) error { <-gate; return nil })
		c := open(t, daybook.Config{Sinks: to(m), CloseWithin: time.Second})
		record(t, c, "a", "b")
		flush := flushing(t, c)
		synctest.Wait()
		_ = c.Close(t.Context())
		_ = ended(t, flush)
		if s := balanced(t, c); s.Dropped["closed"] != 2 {
			t.Errorf("dropped %v", s.Dropped)
		}
	})
}

func TestReconfigureEndsAFlushOfASinkThatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, gate := &memory{}, make(chan struct{})
		defer close(gate)
		m.answers(func(context.Context, []daybook.Event) error { <-gate; return nil })
		c := open(t, quiet(map[string]daybook.Sink{"gone": m}))
		record(t, c, "a")
		flush := flushing(t, c)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = c.Reconfigure(ctx, quiet(to(daybook.Discard)))
		_ = ended(t, flush)
	})
}

func TestAfterAnOptOutNobodyWaitsForWhatWillNotBeSent(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		cfg := quiet(to(&memory{answer: down}))
		cfg.Spool.Dir = dir
		c := open(t, cfg)
		if err := c.Save(t.Context(), daybook.Event{Name: "a"}); err != nil {
			t.Fatal(err)
		}
		off := cfg
		off.OptOut = func() string { return "the user" }
		if err := c.Reconfigure(t.Context(), off); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		err := ended(t, flushing(t, c))
		if left, ok := errors.AsType[*daybook.UndeliveredError](err); !ok || left.Spooled != 1 {
			t.Errorf("Flush said %v", err)
		}
		start := time.Now()
		if _ = c.Close(t.Context()); time.Since(start) > time.Second {
			t.Errorf("Close took %v", time.Since(start))
		}
	})
}

func TestWhatComesBackAfterAnOptOutIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, gate := &memory{}, make(chan struct{})
		m.answers(func(context.Context, []daybook.Event) error { <-gate; return errDown })
		cfg := quiet(to(m))
		cfg.Batch.Events = 1
		c := open(t, cfg)
		record(t, c, "a")
		synctest.Wait()
		off := cfg
		off.OptOut = func() string { return "the user" }
		if err := c.Reconfigure(t.Context(), off); err != nil {
			t.Fatal(err)
		}
		close(gate) // the attempt that was under way fails
		time.Sleep(time.Hour)
		synctest.Wait()
		if s := balanced(t, c); s.Dropped["opted_out"] != 1 || s.Queued != 0 {
			t.Errorf("stats %+v", s)
		}
		m.answers(nil)
		if err := c.Reconfigure(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		record(t, c, "b")
		_ = c.Flush(t.Context())
		if got := m.names(); !slices.Equal(got, []string{"b"}) {
			t.Errorf("delivered %v", got)
		}
	})
}
