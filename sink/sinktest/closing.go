package sinktest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"daybook.dev"
)

func (s *suite) closing(t *testing.T) {
	s.run(t, "after Close, Write says so and closing again is no error", testClosed)
	s.run(t, "a sink that never wrote can be closed", func(t *testing.T, d *destination) {
		d.close(t)
	})
	s.run(t, "closing at the same time is no error", func(t *testing.T, d *destination) {
		var closing sync.WaitGroup
		for range 4 {
			closing.Go(func() { d.close(t) })
		}
		closing.Wait()
	})
	if s.traits.Unbreakable == "" {
		s.run(t, "Close returns within its time while the destination is broken", func(t *testing.T, d *destination) {
			d.mustWrite(t, Event("before"))
			d.Break()
			d.closeInTime(t, time.Second)
		})
		t.Run("Close ends a Write that hangs", func(t *testing.T) {
			d := s.opened(t)
			if d.Hang == nil {
				t.Skip("the destination cannot be made to hang")
			}
			testCloseHanging(t, d)
		})
	}
	t.Run("no goroutine is left behind", s.testLeaks)
}

// close closes the sink, which has to work.
func (d *destination) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := d.Sink.Close(ctx); err != nil {
		t.Error("Close:", err)
	}
}

// closeInTime closes the sink, which may fail but must not take longer.
func (d *destination) closeInTime(t *testing.T, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- d.Sink.Close(ctx) }()
	select {
	case err := <-closed:
		if err != nil {
			CheckText(t, err, d.Secrets...)
		}
	case <-time.After(within + grace):
		t.Errorf("Close has not returned after %v, and had %v", within+grace, within)
		d.Mend()
		<-closed
	}
}

func testClosed(t *testing.T, d *destination) {
	d.mustWrite(t, Event("before"))
	d.close(t)
	d.close(t)
	for _, events := range [][]daybook.Event{{Event("after")}, nil} {
		if err := d.write(t.Context(), t, events...); !errors.Is(err, daybook.ErrClosed) {
			t.Errorf("Write of %d events after Close: %v, want daybook.ErrClosed", len(events), err)
		}
	}
	d.arrived(t, Event("before"))
}

func testCloseHanging(t *testing.T, d *destination) {
	d.mustWrite(t, Event("before"))
	d.Hang()
	defer d.Mend()
	written := make(chan error, 1)
	go func() { written <- d.write(context.Background(), t, Event("hangs")) }()
	// Whether Write has reached the destination by now does not matter: it
	// must return either way, and not with nil.
	d.closeInTime(t, 300*time.Millisecond)
	d.returns(t, written, grace)
}

// testLeaks opens and closes a target of its own; what it leaves behind is
// looked for when its cleanup is done.
func (s *suite) testLeaks(t *testing.T) {
	ignore := append([]goleak.Option{goleak.IgnoreCurrent()}, s.traits.Ignore...)
	t.Run("use", func(t *testing.T) {
		d := s.opened(t)
		d.mustWrite(t, Events("e", 3)...)
		if s.traits.Unbreakable == "" {
			d.Break()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := d.write(ctx, t, Event("broken")); err == nil {
				t.Error("Write to a broken destination says nil")
			}
			d.Mend()
		}
		d.close(t)
	})
	err := goleak.Find(ignore...)
	for end := time.Now().Add(grace); err != nil && time.Now().Before(end); {
		err = goleak.Find(ignore...)
	}
	if err != nil {
		t.Error(err)
	}
}
