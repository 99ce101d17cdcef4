package deliver_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
)

func TestOthersMayWriteToADestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		d := out(sink)
		d.Shape = func(e *daybook.Event) error {
			if e.ID == "shapeless" {
				return errors.New("no such member")
			}
			e.Actor = "shaped"
			return nil
		}
		r := p.start(t, d)
		var actors []string
		sink.Do(func(_ context.Context, events []daybook.Event) error {
			for _, e := range events {
				actors = append(actors, e.Actor)
			}
			return refusing("no")(t.Context(), events)
		})
		events := []daybook.Event{{ID: "a"}, {ID: "b"}, {ID: "a"}, {ID: "no"}, {ID: "shapeless"}}
		err := r.Write(t.Context(), "out", events)
		partial, ok := errors.AsType[*daybook.PartialError](err)
		if !ok || len(partial.Failed) != 2 || partial.Failed[0].ID != "shapeless" || partial.Failed[1].ID != "no" {
			t.Errorf("got %v", err)
		}
		if got := sink.Writes(); len(got) != 2 || !slices.Equal(got[0], []string{"a", "b"}) || !slices.Equal(got[1], []string{"a", "no"}) {
			t.Errorf("written %v", got)
		}
		if !slices.Equal(actors, []string{"shaped", "shaped", "shaped", "shaped"}) || events[0].Actor != "" {
			t.Errorf("shaped %v, the caller's own are %+v", actors, events)
		}
		if err := r.Write(t.Context(), "other", events); daybook.CodeOf(err) != daybook.Invalid {
			t.Errorf("to nobody: %v", err)
		}
		r.wants(deliver.Counts{}, 0)
		r.stop()
		if err := r.Write(t.Context(), "out", events[:1]); !errors.Is(err, daybook.ErrClosed) {
			t.Errorf("after the stop: %v", err)
		}
	})
}

func TestAGuestLeavesAFailingDestinationAloneAndMayProbeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Fail(delivertest.Coded(daybook.Unavailable))
		r := p.start(t, out(sink))
		settle(time.Second)
		guest := func() error { return r.Write(t.Context(), "out", []daybook.Event{{ID: "a"}}) }
		if err := guest(); daybook.CodeOf(err) != daybook.Unavailable {
			t.Errorf("the sink's error: %v", err)
		}
		err := guest()
		e, ok := errors.AsType[*daybook.Error](err)
		if !ok || e.Reason != "destination_failing" || e.RetryAfter <= 0 || len(sink.Writes()) != 1 {
			t.Errorf("right after: %v, %d writes", err, len(sink.Writes()))
		}
		if s := r.status(); s.State != deliver.StateRetrying {
			t.Errorf("%+v", s)
		}
		sink.Fail(nil)
		time.Sleep(e.RetryAfter)
		if err := guest(); err != nil {
			t.Errorf("the probe: %v", err)
		}
		if s := r.status(); s.State != deliver.StateIdle {
			t.Errorf("%+v", s)
		}
		r.stop()
	})
}

func TestGuestsShareTheSlotsOfADestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(func(context.Context, []daybook.Event) error { time.Sleep(time.Second); return nil })
		d := out(sink)
		d.Concurrency, d.Batch.Events = 2, 1
		p.add("a", 10)
		r := p.start(t, d)
		settle(500 * time.Millisecond)
		done := make(chan error, 2)
		for range cap(done) {
			go func() { done <- r.Write(t.Context(), "out", []daybook.Event{{ID: "guest"}}) }()
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if err := r.Write(brief, "out", []daybook.Event{{ID: "brief"}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a slot: %v", err)
		}
		cancel()
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		settle(time.Minute)
		if sink.AtOnce() != 2 {
			t.Errorf("%d writes at once", sink.AtOnce())
		}
		r.wants(deliver.Counts{Delivered: 10}, 0)
		r.stop()
	})
}

func TestProgressOfAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		before := p.add("before", 1)[0]
		d := out(sink)
		d.From.Now = true
		r := p.start(t, d)
		sink.Do(func(_ context.Context, events []daybook.Event) error {
			time.Sleep(50 * time.Millisecond)
			if slices.ContainsFunc(events, func(e daybook.Event) bool { return e.ID == "a-1" }) {
				return delivertest.Refuse(delivertest.Coded(daybook.Unavailable), "a-1")
			}
			return nil
		})
		at := p.add("a", 3)
		waited := p.await("waited")
		settle(20 * time.Millisecond)
		progress := func(at store.Position) deliver.Progress {
			got, ok := r.Progress("out", at)
			if !ok {
				t.Errorf("nothing is known about %d", at)
			}
			return got
		}
		if got := progress(at[1]); got != (deliver.Progress{Read: true, InFlight: true}) {
			t.Errorf("in a write: %+v", got)
		}
		settle(time.Minute)
		got := progress(at[1])
		if got.Finished || got.Attempts < 5 || got.Reason != "scripted_unavailable" {
			t.Errorf("tried again: %+v", got)
		}
		if got := progress(at[2]); got != (deliver.Progress{Read: true, Finished: true}) {
			t.Errorf("delivered behind it: %+v", got)
		}
		if got := progress(waited); got != (deliver.Progress{Read: true, Awaited: true}) {
			t.Errorf("its caller waits: %+v", got)
		}
		if got := progress(1000); got != (deliver.Progress{}) {
			t.Errorf("not there yet: %+v", got)
		}
		if got, ok := r.Progress("out", before); ok {
			t.Errorf("before the destination began: %+v", got)
		}
		if _, ok := r.Progress("other", 1); ok {
			t.Error("a destination that does not exist")
		}
		if !r.Wants("out", &store.Record{}) || r.Wants("other", &store.Record{}) {
			t.Error("what is wanted")
		}
		sink.Do(nil)
		settle(time.Minute)
		r.stop()
	})
}

func TestDestinationsNearTheNewestRecordShareOneRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		var all []deliver.Destination
		sinks := map[string]*delivertest.Sink{}
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
			sinks[name] = &delivertest.Sink{}
			all = append(all, deliver.Destination{Name: name, Sink: sinks[name], Batch: deliver.Batch{Age: 10 * time.Millisecond}})
		}
		r := p.start(t, all...)
		settle(time.Second)
		before := p.store.Decoded()
		for i := range 100 {
			p.add("x", 1+i%3)
			settle(15 * time.Millisecond)
		}
		settle(time.Second)
		if n := p.store.Decoded() - before; n != 199 {
			t.Errorf("%d records were decoded, 199 were stored", n)
		}
		for name, sink := range sinks {
			if s := r.statusOf(name); s.Delivered != 199 || len(sink.Taken()) == 0 {
				t.Errorf("%s: %+v", name, s)
			}
		}
		r.stop()
	})
}
