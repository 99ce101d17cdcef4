package deliver_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
)

func TestR13ATransientErrorIsTriedAgainUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Fail(delivertest.Coded(daybook.Unavailable))
		p.add("a", 3)
		r := p.start(t, out(sink))
		settle(time.Hour)
		r.wants(deliver.Counts{}, 3)
		if s := r.status(); s.State != deliver.StateOpen || s.Last == nil || s.Last.Reason != "scripted_unavailable" || s.Oldest.IsZero() {
			t.Errorf("an hour later: %+v", s)
		}
		if n := len(sink.Writes()); n < 3600/5 || n > 3600/4 {
			t.Errorf("%d writes in an hour: it has to be probed at least every 5 s", n)
		}
		sink.Fail(nil)
		settle(5 * time.Second)
		r.wants(deliver.Counts{Delivered: 3}, 0)
		if lines := p.log.lines("does not take events"); len(lines) != 1 {
			t.Errorf("the log says that it fails: %q", lines)
		}
		p.add("b", 3)
		settle(5 * time.Second)
		if lines := p.log.lines("takes events again"); len(lines) != 1 {
			t.Errorf("the log says that it is back: %q", lines)
		}
		if dead := p.store.Records(store.KindRefused); len(dead) != 0 {
			t.Errorf("dead letters: %+v", dead)
		}
		r.stop()
	})
}

func TestR13WhileADestinationTakesNothingItIsTriedWithOneWriteAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		var aloft, together atomic.Int64
		began := time.Now()
		sink.Do(func(context.Context, []daybook.Event) error {
			if aloft.Add(1) > 1 && time.Since(began) > 10*time.Second {
				together.Add(1)
			}
			defer aloft.Add(-1)
			time.Sleep(3 * time.Second)
			return delivertest.Coded(daybook.Unavailable)
		})
		d := out(sink)
		d.Batch.Events = 1
		p.add("a", 20)
		r := p.start(t, d)
		settle(10 * time.Minute)
		if n := together.Load(); n != 0 {
			t.Errorf("%d writes began while a probe was under way", n)
		}
		tried := map[string]bool{}
		for _, w := range sink.Writes() {
			tried[w[0]] = true
		}
		if len(tried) < 4 {
			t.Errorf("only %v were tried: one event could keep the destination down", tried)
		}
		r.wants(deliver.Counts{}, 20)
		sink.Do(nil)
		settle(time.Minute)
		r.wants(deliver.Counts{Delivered: 20}, 0)
		r.stop()
	})
}

func TestR13TheWaitsDoubleFromOneFailureToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		var at []time.Time
		sink.Do(func(context.Context, []daybook.Event) error {
			at = append(at, time.Now())
			return errors.New("no code at all")
		})
		p.add("a", 1)
		r := p.start(t, out(sink))
		settle(30 * time.Second)
		var waits []time.Duration
		for i := 1; i < len(at); i++ {
			waits = append(waits, at[i].Sub(at[i-1]).Round(100*time.Millisecond))
		}
		ms := time.Millisecond
		if want := []time.Duration{200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms}; !slices.Equal(waits[:7], want) {
			t.Errorf("waits %v, want %v", waits, want)
		}
		r.stop()
	})
}

func TestR13AThrottlingDestinationIsLeftAloneForAsLongAsItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		e := delivertest.Coded(daybook.Exhausted)
		e.RetryAfter = time.Minute
		sink.Fail(e)
		p.add("a", 1)
		r := p.start(t, out(sink))
		settle(59 * time.Second)
		if n := len(sink.Writes()); n != 1 {
			t.Errorf("%d writes within the minute", n)
		}
		if s := r.status(); s.State != deliver.StateThrottled || s.Next.IsZero() {
			t.Errorf("state %+v", s)
		}
		sink.Fail(nil)
		settle(2 * time.Second)
		r.wants(deliver.Counts{Delivered: 1}, 0)
		r.stop()
	})
}

func TestR13AskingForTimeForSomeEventsIsAskingForTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(func(_ context.Context, events []daybook.Event) error {
			e := delivertest.Coded(daybook.Exhausted)
			e.RetryAfter = time.Minute
			return delivertest.Refuse(e, "a-1")
		})
		p.add("a", 3)
		r := p.start(t, out(sink))
		settle(time.Second)
		p.add("b", 3)
		settle(50 * time.Second)
		r.wants(deliver.Counts{Delivered: 2}, 4)
		if s := r.status(); len(sink.Writes()) != 1 || s.State != deliver.StateThrottled {
			t.Errorf("%d writes within the minute, %+v", len(sink.Writes()), s)
		}
		sink.Do(nil)
		settle(20 * time.Second)
		r.wants(deliver.Counts{Delivered: 6}, 0)
		r.stop()
	})
}

func TestR13AMisconfiguredDestinationKeepsEverythingAndSaysSo(t *testing.T) {
	for _, code := range []daybook.Code{daybook.Unauthenticated, daybook.Denied, daybook.Unimplemented} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace()
			sink := &delivertest.Sink{}
			sink.Fail(delivertest.Coded(code))
			p.add("a", 3)
			r := p.start(t, out(sink))
			settle(time.Hour)
			r.wants(deliver.Counts{}, 3)
			if s := r.status(); s.State != deliver.StateMisconfigured || s.Low != 0 {
				t.Errorf("state %+v", s)
			}
			if n := len(sink.Writes()); n < 60 || n > 80 {
				t.Errorf("%d writes in an hour, want about one a minute", n)
			}
			if lines := p.log.lines("level=ERROR", "needs somebody to act"); len(lines) != 1 {
				t.Errorf("the log says %q", lines)
			}
			sink.Fail(nil)
			settle(time.Minute)
			r.wants(deliver.Counts{Delivered: 3}, 0)
			r.stop()
		})
	}
}

func TestR13ARefusedEventBecomesADeadLetterAndItsNeighboursAreDelivered(t *testing.T) {
	for _, code := range []daybook.Code{daybook.Invalid, daybook.TooLarge, daybook.Conflict} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace()
			sink := &delivertest.Sink{}
			// The sink does not say which event is at fault.
			sink.Do(func(_ context.Context, events []daybook.Event) error {
				if slices.ContainsFunc(events, func(e daybook.Event) bool { return e.ID == "a-137" }) {
					err := delivertest.Coded(code)
					err.Field = "metadata.plan"
					return err
				}
				return nil
			})
			positions := p.add("a", 300)
			r := p.start(t, out(sink))
			settle(10 * time.Second)
			r.wants(deliver.Counts{Delivered: 299, Dead: 1}, 0)
			each(t, sink, 1, 1, append(ids("a", 137), ids("a", 300)[138:]...)...)
			if n := len(sink.Writes()); n > 20 {
				t.Errorf("%d writes to find one event among 300", n)
			}
			dead := p.store.Records(store.KindRefused)
			if len(dead) != 1 {
				t.Fatalf("%d dead letters", len(dead))
			}
			d := dead[0]
			want := store.Refusal{
				Destination: "out", Position: positions[137], Attempts: d.Refusal.Attempts,
				Code: code, Reason: "scripted_" + code.String(), Field: "metadata.plan", Message: "as the script says",
			}
			if *d.Refusal != want || d.Refusal.Attempts < 2 {
				t.Errorf("refusal %+v, want %+v", *d.Refusal, want)
			}
			if d.Event.ID != "a-137" || string(d.Event.Metadata) != `{"plan":"free"}` || d.Caller != "shop" ||
				d.Protocol != "http" || d.Instance != "gateway-1" || d.Received.IsZero() {
				t.Errorf("the letter has %+v", d.Record)
			}
			r.stop()
		})
	}
}

func TestR13OnlyTheEventsThatASinkNamesAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		var mended atomic.Bool
		sink.Do(func(_ context.Context, events []daybook.Event) error {
			partial := &daybook.PartialError{}
			for _, e := range events {
				switch {
				case e.ID == "a-1" && !mended.Load():
					partial.Failed = append(partial.Failed, daybook.Outcome{ID: e.ID, Err: delivertest.Coded(daybook.Unavailable)})
				case e.ID == "a-2":
					partial.Failed = append(partial.Failed, daybook.Outcome{ID: e.ID, Status: daybook.Refused, Reason: "too_old"})
				}
			}
			if len(partial.Failed) == 0 {
				return nil
			}
			return partial
		})
		p.add("a", 5)
		r := p.start(t, out(sink))
		settle(time.Minute)
		r.wants(deliver.Counts{Delivered: 3, Dead: 1}, 1)
		p.add("b", 5)
		settle(time.Minute)
		r.wants(deliver.Counts{Delivered: 8, Dead: 1}, 1)
		if s := r.status(); s.Low != 1 {
			t.Errorf("low is %d although the second event is not finished", s.Low)
		}
		mended.Store(true)
		settle(time.Minute)
		r.wants(deliver.Counts{Delivered: 9, Dead: 1}, 0)
		each(t, sink, 1, 1, append(ids("b", 5), "a-0", "a-1", "a-3", "a-4")...)
		if dead := p.store.Records(store.KindRefused); len(dead) != 1 || dead[0].Refusal.Reason != "too_old" || dead[0].Refusal.Code != daybook.Invalid {
			t.Errorf("dead letters %+v", dead)
		}
		r.stop()
	})
}

func TestR13AnEventThatBringsItsDestinationDownIsFoundAndLeftForLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(func(_ context.Context, events []daybook.Event) error {
			if slices.ContainsFunc(events, func(e daybook.Event) bool { return e.ID == "a-7" }) {
				return delivertest.Coded(daybook.Internal)
			}
			return nil
		})
		p.add("a", 20)
		r := p.start(t, out(sink))
		for range 60 {
			p.store.Add("shop", "steady", "")
			settle(time.Second)
		}
		settle(5 * time.Minute)
		r.wants(deliver.Counts{Delivered: 79}, 1)
		each(t, sink, 1, 1, append(ids("a", 7), ids("a", 20)[8:]...)...)
		r.stop()
	})
}

func TestR13AHungDestinationIsCutOffAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(func(ctx context.Context, _ []daybook.Event) error {
			<-ctx.Done()
			return ctx.Err()
		})
		p.add("a", 3)
		d := out(sink)
		d.Timeout = 20 * time.Second
		r := p.start(t, d)
		settle(time.Minute)
		if n := len(sink.Writes()); n != 3 {
			t.Errorf("%d writes in a minute", n)
		}
		sink.Do(nil)
		settle(30 * time.Second)
		r.wants(deliver.Counts{Delivered: 3}, 0)
		r.stop()
	})
}

func TestR13APanicOfADestinationIsItsFailureAndRepeatsNoEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		var mended atomic.Bool
		sink.Do(func(_ context.Context, events []daybook.Event) error {
			if !mended.Load() {
				panic("canary " + string(events[0].Metadata))
			}
			return nil
		})
		p.add("a", 3)
		r := p.start(t, out(sink))
		settle(time.Second)
		mended.Store(true)
		settle(10 * time.Second)
		r.wants(deliver.Counts{Delivered: 3}, 0)
		if lines := p.log.lines("canary"); len(lines) != 0 {
			t.Errorf("the log repeats the event: %q", lines)
		}
		if lines := p.log.lines("panicked"); len(lines) != 1 {
			t.Errorf("the log says %q", lines)
		}
		r.stop()
	})
}
