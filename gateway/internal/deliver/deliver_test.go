package deliver_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal/waltest"
)

func TestEveryEventIsDeliveredOnceToEveryDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.add("early", 700)
		first, second := &delivertest.Sink{}, &delivertest.Sink{}
		r := p.start(t, out(first), deliver.Destination{Name: "other", Sink: second})
		settle(2 * time.Second)
		p.add("late", 5)
		settle(2 * time.Second)
		for _, sink := range []*delivertest.Sink{first, second} {
			each(t, sink, 1, 1, ids("early", 700)...)
			each(t, sink, 1, 1, ids("late", 5)...)
		}
		r.wants(deliver.Counts{Delivered: 705}, 0)
		if s := r.status(); s.State != deliver.StateIdle || s.Low != 705 {
			t.Errorf("at rest: %+v", s)
		}
		r.stop()
		if held, ok := p.store.Held("out"); !ok || held != 705 {
			t.Errorf("the store keeps what lies behind %d, %v", held, ok)
		}
	})
}

func TestADestinationGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		p.add("a", 10)
		r := p.start(t, out(sink))
		settle(time.Second)
		r.stop()
		p.add("b", 10)
		r = p.start(t, out(sink))
		settle(time.Second)
		each(t, sink, 1, 1, ids("a", 10)...)
		each(t, sink, 1, 1, ids("b", 10)...)
		r.wants(deliver.Counts{Delivered: 20}, 0)
		p.crash(r, waltest.Everything)
		p.add("c", 10)
		r = p.start(t, out(sink))
		settle(time.Second)
		each(t, sink, 1, 1, append(ids("a", 10), ids("c", 10)...)...)
		r.wants(deliver.Counts{Delivered: 30}, 0)
		r.stop()
	})
}

func TestADestinationBeginsWhereItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.add("old", 3)
		time.Sleep(time.Hour)
		since := time.Now()
		p.add("new", 3)
		all, recent, now := &delivertest.Sink{}, &delivertest.Sink{}, &delivertest.Sink{}
		r := p.start(t,
			deliver.Destination{Name: "all", Sink: all},
			deliver.Destination{Name: "recent", Sink: recent, From: deliver.From{Since: since}},
			deliver.Destination{Name: "now", Sink: now, From: deliver.From{Now: true}})
		p.add("newest", 1)
		settle(2 * time.Second)
		for name, want := range map[string]struct {
			sink *delivertest.Sink
			n    uint64
		}{"all": {all, 7}, "recent": {recent, 4}, "now": {now, 1}} {
			s := r.statusOf(name)
			balanced(t, s)
			if s.Delivered != want.n || s.Stored != want.n || len(want.sink.Taken()) != int(want.n) {
				t.Errorf("%s: %+v, taken %v", name, s, want.sink.Taken())
			}
		}
		r.stop()
	})
}

// sizes returns how many events each write had.
func sizes(sink *delivertest.Sink) (n []int) {
	for _, w := range sink.Writes() {
		n = append(n, len(w))
	}
	return n
}

func TestAFullBatchLeavesAtOnceAndTheRestWhenItIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		r := p.start(t, deliver.Destination{Name: "out", Sink: sink, Concurrency: 1, Batch: deliver.Batch{Events: 4}})
		p.add("a", 9)
		settle(900 * time.Millisecond)
		if got := sizes(sink); !slices.Equal(got, []int{4, 4}) {
			t.Errorf("sizes %v", got)
		}
		settle(200 * time.Millisecond)
		if got := sizes(sink); !slices.Equal(got, []int{4, 4, 1}) {
			t.Errorf("sizes %v", got)
		}
		r.stop()
	})
}

func TestABatchIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		for i := range 6 {
			r := delivertest.Event("shop", fmt.Sprint(i), "")
			r.Event.Metadata = fmt.Appendf(nil, `{"text":"%0*d"}`, 400, i)
			p.store.AddRecord(r)
		}
		sink := &delivertest.Sink{}
		r := p.start(t, deliver.Destination{Name: "out", Sink: sink, Concurrency: 1, Batch: deliver.Batch{Bytes: 1000}})
		settle(3 * time.Second)
		if got := sizes(sink); !slices.Equal(got, []int{2, 2, 2}) {
			t.Errorf("sizes %v", got)
		}
		r.stop()
	})
}

func TestTwoEventsOfOneIDAreNeverInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		for _, caller := range []string{"a", "b", "c"} {
			p.store.Add(caller, "same", "")
		}
		p.store.Add("d", "other", "")
		d := out(sink)
		d.Concurrency = 1
		r := p.start(t, d)
		settle(5 * time.Second)
		if got := sizes(sink); !slices.Equal(got, []int{2, 1, 1}) {
			t.Errorf("sizes %v", got)
		}
		r.wants(deliver.Counts{Delivered: 4}, 0)
		r.stop()
	})
}

func TestWhatADestinationDoesNotWantIsFiltered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		d := out(sink)
		d.Wants = func(r *store.Record) bool { return !r.StoreOnly }
		d.Shape = func(e *daybook.Event) error { e.Metadata = nil; return nil }
		only := delivertest.Event("shop", "only", "")
		only.StoreOnly = true
		r := p.start(t, d)
		p.store.AddRecord(only)
		p.add("a", 2)
		settle(time.Second)
		r.wants(deliver.Counts{Delivered: 2, Filtered: 1}, 0)
		each(t, sink, 1, 1, ids("a", 2)...)
		each(t, sink, 0, 0, "only")
		if e := p.store.Records(store.KindEvent)[1]; len(e.Event.Metadata) == 0 {
			t.Error("shaping changed the stored event")
		}
		r.stop()
	})
}

func TestEventsOfAnActorKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		var mu sync.Mutex
		chance, aloft := rand.New(rand.NewPCG(1, 2)), map[string]bool{}
		sink.Do(func(_ context.Context, events []daybook.Event) error {
			mu.Lock()
			own := map[string]bool{}
			for _, e := range events {
				if own[e.Actor] = true; aloft[e.Actor] {
					t.Errorf("%s is in two writes", e.Actor)
				}
			}
			maps.Copy(aloft, own)
			wait, fails := time.Duration(chance.IntN(50))*time.Millisecond, chance.IntN(4) == 0
			mu.Unlock()
			time.Sleep(wait)
			mu.Lock()
			defer mu.Unlock()
			for actor := range own {
				delete(aloft, actor)
			}
			if fails {
				return delivertest.Coded(daybook.Unavailable)
			}
			return nil
		})
		r := p.start(t, deliver.Destination{
			Name: "out", Sink: sink, Order: deliver.ByActor,
			Batch: deliver.Batch{Events: 5, Age: 10 * time.Millisecond},
		})
		for i := range 300 {
			p.store.Add("shop", fmt.Sprintf("%d-%03d", i%7, i), fmt.Sprintf("actor-%d", i%7))
			time.Sleep(time.Millisecond)
		}
		settle(5 * time.Minute)
		last := map[byte]string{}
		for _, id := range sink.Order() {
			id = id[len("shop/"):]
			if id < last[id[0]] {
				t.Fatalf("%s came after %s", id, last[id[0]])
			}
			last[id[0]] = id
		}
		if sink.AtOnce() < 2 {
			t.Error("never were there two writes at once")
		}
		r.wants(deliver.Counts{Delivered: 300}, 0)
		r.stop()
	})
}
