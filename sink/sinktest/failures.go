package sinktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"daybook.dev"
)

// deadline is what the suite gives an attempt that must fail.
const deadline = 5 * time.Second

// grace is how much longer a sink may take to notice that its time is over. That
// depends on the machine more than on the sink: what is found is a sink that does
// not notice at all. A variable only because flawed sinks use it up.
var grace = 30 * time.Second

func (s *suite) failures(t *testing.T) {
	s.run(t, "a context that has ended is an error at once", testEnded)
	breakable := s.traits.Unbreakable == ""
	if !breakable {
		t.Run("a broken destination", func(t *testing.T) { t.Skip("cannot be broken:", s.traits.Unbreakable) })
		return
	}
	s.run(t, "while the destination is broken nothing is claimed, and the error is one that passes", testBroken)
	s.run(t, "a destination that was mended takes the same events from the same sink", testMended)
	t.Run("a Write to a destination that hangs ends with its context", func(t *testing.T) {
		d := s.opened(t)
		if d.Hang == nil {
			t.Skip("the destination cannot be made to hang")
		}
		testHanging(t, d)
	})
}

func testEnded(t *testing.T, d *destination) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	err := d.write(ctx, t, Events("e", 2)...)
	if !Passing(err) {
		t.Errorf("error is %v (%v), want a transient one", err, daybook.CodeOf(err))
	}
	if took := time.Since(start); took > grace {
		t.Errorf("it took %v", took)
	}
}

func testBroken(t *testing.T, d *destination) {
	d.mustWrite(t, Event("before"))
	d.Break()
	events := Events("e", 3)
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	err := d.write(ctx, t, events...)
	if took := time.Since(start); took > deadline+grace {
		t.Errorf("Write returned after %v, and its context ended after %v", took, deadline)
	}
	if !Passing(err) {
		t.Fatalf("error is %v (%v), want a transient or throttled one", err, daybook.CodeOf(err))
	}
	// A partial error claims those it does not name.
	partial, ok := errors.AsType[*daybook.PartialError](err)
	if ok && len(partial.Failed) != len(events) {
		t.Errorf("%d of %d events failed: the others are claimed", len(partial.Failed), len(events))
	}
	if ok {
		for _, o := range partial.Failed {
			if !Passing(o.Err) {
				t.Errorf("%s failed with %v (%v), want a transient or throttled error", o.ID, o.Err, daybook.CodeOf(o.Err))
			}
		}
	}
}

func testMended(t *testing.T, d *destination) {
	events := Events("e", 3)
	d.mustWrite(t, Event("before"))
	d.Break()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if err := d.write(ctx, t, events...); err == nil {
		t.Fatal("Write to a broken destination says nil")
	}
	d.Mend()
	// A client may be in the middle of a wait before it connects again.
	again := time.Now().Add(patience)
	for err := d.write(t.Context(), t, events...); err != nil; err = d.write(t.Context(), t, events...) {
		if !Passing(err) || time.Now().After(again) {
			t.Fatalf("after mending: %v", err)
		}
	}
	d.atLeast(t, append(events, Event("before"))...)
}

func testHanging(t *testing.T, d *destination) {
	d.mustWrite(t, Event("before"))
	d.Hang()
	defer d.Mend()
	const short = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	written := make(chan error, 1)
	go func() { written <- d.write(ctx, t, Events("e", 2)...) }()
	d.returns(t, written, short+grace)
}

// returns waits for the error of a Write that hangs: it has to come in time,
// and to be one that passes.
func (d *destination) returns(t *testing.T, written <-chan error, within time.Duration) {
	t.Helper()
	select {
	case err := <-written:
		if !Passing(err) {
			t.Errorf("error of the Write is %v (%v), want a transient one", err, daybook.CodeOf(err))
		}
	case <-time.After(within):
		t.Errorf("the Write has not returned after %v", within)
		d.Mend()
		<-written
	}
}
