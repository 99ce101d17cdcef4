package daybook_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
)

func spooled(dir string, m daybook.Sink) daybook.Config {
	return daybook.Config{Sinks: to(m), Spool: daybook.SpoolOptions{Dir: dir}, Batch: daybook.BatchOptions{Events: 2}}
}

func TestWhatCannotBeSentWaitsOnDiskForTheNextProcess(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{answer: down}
		c := open(t, spooled(dir, m))
		record(t, c, "a", "b", "c")
		start := time.Now()
		err := c.Close(t.Context())
		left, ok := errors.AsType[*daybook.UndeliveredError](err)
		if !ok || left.Spooled != 3 || left.Lost != 0 || left.Queued != 0 {
			t.Errorf("Close said %v", err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("it waited %v although the spool has everything", took)
		}
		if s := balanced(t, c); s.Spooled != 3 {
			t.Errorf("stats %+v", s)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		c := open(t, spooled(dir, m))
		record(t, c, "d")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := m.names(); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
			t.Errorf("delivered %v", got)
		}
		if s := balanced(t, c); s.Recovered != 3 || s.Recorded != 4 || s.Delivered != 4 {
			t.Errorf("stats %+v", s)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if names := list(t, filepath.Join(dir, "test")); len(names) > 0 {
			t.Errorf("files are left: %v", names)
		}
	})
}

func TestDuringAnOutageEventsGoToDiskAndComeBackInOrder(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{answer: down}
		cfg := spooled(dir, m)
		cfg.Retry = daybook.RetryOptions{Min: time.Minute, Max: time.Hour}
		c := open(t, cfg)
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			record(t, c, name)
			synctest.Wait()
		}
		if s := balanced(t, c); s.Spooled != 6 || s.Queued != 0 {
			t.Errorf("stats %+v", s)
		}
		m.answers(nil)
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if got := m.names(); !slices.Equal(got, []string{"a", "b", "c", "d", "e", "f"}) {
			t.Errorf("delivered %v", got)
		}
		balanced(t, c)
	})
}

func TestAHangingSinkSpillsTheQueueToDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m, gate := &memory{}, make(chan struct{})
		m.answers(func(context.Context, []daybook.Event) error { <-gate; return nil })
		cfg := spooled(dir, m)
		cfg.Queue.Events = 20
		c := open(t, cfg)
		for range 100 {
			record(t, c, "a")
			synctest.Wait() // the disk is as quick as this caller
		}
		s := balanced(t, c)
		if s.Dropped["queue_full"] != 0 || s.Spooled < 70 {
			t.Errorf("stats %+v", s)
		}
		close(gate)
		if err := c.Flush(t.Context()); err != nil || len(m.all()) != 100 {
			t.Errorf("%v: delivered %d", err, len(m.all()))
		}
		balanced(t, c)
	})
}

func TestSavedEventsAreOnDiskBeforeSaveReturns(t *testing.T) {
	dir := t.TempDir()
	m := &memory{answer: down}
	c := open(t, spooled(dir, m))
	e := c.Event(t.Context(), daybook.Behavioral, "order-paid")
	if err := c.Save(t.Context(), e, daybook.Event{Name: "second"}); err != nil {
		t.Fatal(err)
	}
	// A copy of the directory is what a crash at this moment would leave.
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	n := &memory{}
	next := open(t, spooled(copied, n))
	if err := next.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if got := n.all(); len(got) != 2 || got[0].ID != e.ID || got[1].Name != "second" {
		t.Errorf("found %+v", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Save(ended, e); daybook.CodeOf(err) != daybook.Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended it says %v", err)
	}
	if err := c.Save(t.Context(), daybook.Event{}); daybook.CodeOf(err) != daybook.Invalid {
		t.Errorf("an event without a name is saved: %v", err)
	}
	without := open(t, daybook.Config{Sinks: to(&memory{})})
	if err := without.Save(t.Context(), e); !errors.Is(err, daybook.ErrNoSpool) {
		t.Errorf("without a spool it says %v", err)
	}
}

func TestTwoClientsShareADirectory(t *testing.T) {
	dir := t.TempDir()
	a, b := &memory{answer: down}, &memory{answer: down}
	first, second := open(t, spooled(dir, a)), open(t, spooled(dir, b))
	for _, c := range []*daybook.Client{first, second} {
		if err := c.Save(t.Context(), daybook.Event{Name: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	_ = first.Close(t.Context())
	third := &memory{}
	c := open(t, spooled(dir, third))
	if err := c.Flush(t.Context()); err != nil || len(third.all()) != 1 {
		t.Errorf("%v: it took %d events, want those of the first client only", err, len(third.all()))
	}
}

func TestASpoolThatCannotBeUsedDoesNotStopRecording(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := &memory{}
	c := open(t, spooled(filepath.Join(file, "below"), m))
	record(t, c, "a")
	if err := c.Flush(t.Context()); err != nil || len(m.all()) != 1 {
		t.Errorf("%v: delivered %v", err, m.names())
	}
	if err := c.Save(t.Context(), daybook.Event{Name: "a"}); !errors.Is(err, daybook.ErrNoSpool) {
		t.Errorf("Save said %v", err)
	}
}

// R17: the stop of a program.
func TestR17CloseLosesNothingThatItCanKeep(t *testing.T) {
	never := make(chan struct{})
	defer close(never) // but for the end of the test
	for _, c := range []struct {
		name   string
		answer func(ctx context.Context, events []daybook.Event) error
	}{
		{"the destination is down", down},
		{"the destination is there", nil},
		{"the destination heeds its context", func(ctx context.Context, _ []daybook.Event) error { <-ctx.Done(); return ctx.Err() }},
		{"the destination hangs", func(context.Context, []daybook.Event) error { <-never; return errDown }},
	} {
		for _, phase := range []string{"idle", "queued", "in flight", "retrying"} {
			t.Run(c.name+", "+phase, func(t *testing.T) {
				dir := t.TempDir()
				m := &memory{answer: c.answer}
				cfg := spooled(dir, m)
				cfg.CloseWithin = 200 * time.Millisecond
				client := open(t, cfg)
				n := map[string]int{"idle": 0, "queued": 1, "in flight": 2, "retrying": 5}[phase]
				for range n {
					record(t, client, "a")
				}
				start := time.Now()
				_ = client.Close(t.Context())
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("it took %v with a budget of 200ms", took)
				}
				s := balanced(t, client)
				if s.Delivered+s.Spooled != uint64(n) || s.Queued != 0 {
					t.Errorf("of %d events: %+v", n, s)
				}
				after := &memory{}
				next := open(t, spooled(dir, after))
				if err := next.Flush(t.Context()); err != nil || len(after.all())+int(s.Delivered) != n {
					t.Errorf("%v: delivered %d before and %d after, of %d", err, s.Delivered, len(after.all()), n)
				}
			})
		}
	}
}
