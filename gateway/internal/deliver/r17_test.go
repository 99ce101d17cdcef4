package deliver_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
)

// closeWithin stops an engine and returns how long that took.
func (r *running) closeWithin(d time.Duration) (time.Duration, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	err := r.Close(ctx)
	return time.Since(began), err
}

// TestR17AStopAtAnyMomentLosesNothing stops every millisecond later, with a
// destination whose writes take a while, and one that refuses some.
func TestR17AStopAtAnyMomentLosesNothing(t *testing.T) {
	for at := range 60 {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace()
			sink := &delivertest.Sink{}
			sink.Do(func(ctx context.Context, events []daybook.Event) error {
				time.Sleep(7 * time.Millisecond)
				return refusing("a-3", "a-11")(ctx, events)
			})
			d := out(sink)
			d.Batch = deliver.Batch{Events: 4, Age: 5 * time.Millisecond}
			d.Concurrency = 2
			p.add("a", 20)
			r := p.start(t, d)
			time.Sleep(time.Duration(at) * time.Millisecond)
			took, err := r.closeWithin(8 * time.Second)
			if err != nil || took > 10*time.Millisecond {
				t.Errorf("stopped after %d ms: %v, took %v", at, err, took)
			}
			<-r.done
			if got := len(p.store.Records(store.KindEvent)); got != 20 {
				t.Fatalf("%d events are left in the store", got)
			}
			r = p.start(t, d)
			settle(time.Minute)
			r.wants(deliver.Counts{Delivered: 18, Dead: 2}, 0)
			for id, n := range sink.Taken() {
				if n != 1 { // an orderly stop costs no redelivery
					t.Errorf("stopped after %d ms: %s was taken %d times", at, id, n)
				}
			}
			if got := len(p.store.Records(store.KindRefused)); got != 2 {
				t.Errorf("%d dead letters", got)
			}
			r.stop()
		})
	}
}

func TestR17WritesUnderWayGetTheTimeThatIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		takes, within, ends time.Duration
		delivered           uint64
	}{
		"enough":     {3 * time.Second, 8 * time.Second, 3 * time.Second, 5},
		"not enough": {20 * time.Second, 8 * time.Second, 8 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace()
				sink := &delivertest.Sink{}
				sink.Do(func(ctx context.Context, _ []daybook.Event) error {
					select {
					case <-time.After(c.takes):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				p.add("a", 5)
				r := p.start(t, out(sink))
				settle(time.Second)
				p.add("b", 5) // nothing of these begins any more
				took, err := r.closeWithin(c.within)
				if err != nil || took.Round(time.Second) != c.ends.Round(time.Second) && took > c.ends {
					t.Errorf("stopped after %v, %v", took, err)
				}
				r.wants(deliver.Counts{Delivered: c.delivered}, 10-c.delivered)
				<-r.done
				if s := r.status(); c.delivered == 0 && (s.Last != nil || s.State != deliver.StateDelivering) {
					t.Errorf("cutting it off was held against the destination: %+v", s)
				}
				sink.Do(nil)
				r = p.start(t, out(sink))
				settle(time.Second)
				r.wants(deliver.Counts{Delivered: 10}, 0)
				r.stop()
			})
		})
	}
}

func TestR17ASecondSignalCutsOffAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(func(ctx context.Context, _ []daybook.Event) error { <-ctx.Done(); return ctx.Err() })
		p.add("a", 5)
		r := p.start(t, out(sink))
		settle(time.Second)
		closed := make(chan error, 1)
		go func() { closed <- r.Close(context.Background()) }()
		settle(time.Second)
		began := time.Now()
		r.kill() // ends Run's context
		if err := <-closed; err != nil || time.Since(began) != 0 {
			t.Errorf("closed after %v: %v", time.Since(began), err)
		}
		<-r.done
		r.wants(deliver.Counts{}, 5)
	})
}

func TestR17ASinkThatDoesNotReturnDoesNotKeepTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		release := make(chan struct{})
		sink.Do(func(context.Context, []daybook.Event) error { <-release; return nil })
		p.add("a", 5)
		r := p.start(t, out(sink))
		settle(time.Second)
		took, err := r.closeWithin(8 * time.Second)
		if daybook.CodeOf(err) != daybook.Unavailable || took > 10*time.Second {
			t.Errorf("stopped after %v: %v", took, err)
		}
		close(release)
		<-r.done
		r.wants(deliver.Counts{Delivered: 5}, 0) // and what it said after all counts
	})
}

func TestR17DeadLettersThatCannotBeStoredDoNotKeepTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(refusing("a-1"))
		p.add("a", 3)
		p.store.Refuse(errors.New("full"))
		r := p.start(t, out(sink))
		settle(time.Second)
		if took, err := r.closeWithin(8 * time.Second); err != nil || took > time.Second {
			t.Errorf("stopped after %v: %v", took, err)
		}
		<-r.done
		p.store.Refuse(nil)
		r = p.start(t, out(sink))
		settle(time.Minute)
		r.wants(deliver.Counts{Delivered: 2, Dead: 1}, 0)
		r.stop()
	})
}

func TestR17AnEngineThatNeverRanIsClosedAtOnce(t *testing.T) {
	p := newPlace()
	e, err := deliver.Open(t.Context(), p.options(deliver.Options{Destinations: []deliver.Destination{out(&delivertest.Sink{})}}))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := e.Run(t.Context()); err != nil {
		t.Errorf("run after all: %v", err)
	}
}
