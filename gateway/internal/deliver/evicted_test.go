package deliver_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal/waltest"
)

func TestEventsThatRetentionTookAreCountedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		r := p.start(t, out(sink))
		settle(time.Second)
		p.add("a", 10)
		settle(2 * time.Second)
		r.stop()
		p.add("b", 20)
		p.store.Evict(25)
		p.add("c", 5)
		for range 3 { // and once only
			r = p.start(t, out(sink))
			settle(2 * time.Second)
			r.wants(deliver.Counts{Delivered: 20, Evicted: 15}, 0)
			p.crash(r, waltest.Everything)
		}
		if lines := p.log.lines("level=ERROR", "removed or damaged", "events=15"); len(lines) != 1 {
			t.Errorf("the log says %q", lines)
		}
		each(t, sink, 1, 1, append(ids("c", 5), ids("b", 20)[15:]...)...)
		each(t, sink, 0, 0, ids("b", 15)...)
	})
}

func TestWhatWasReadBeforeItWasEvictedIsStillDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(func(_ context.Context, events []daybook.Event) error { return delivertest.Coded(daybook.Unavailable) })
		d := out(sink)
		d.Concurrency, d.Batch.Events = 1, 10
		p.add("a", 3000) // 2048 of them are read
		r := p.start(t, d)
		settle(time.Second)
		p.store.Evict(2500)
		sink.Do(nil)
		settle(10 * time.Second)
		r.wants(deliver.Counts{Delivered: 2548, Evicted: 452}, 0)
		r.stop()
	})
}

func TestADamagedEventIsCountedAsEvictedAsSoonAsItIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		p.add("a", 10)
		p.store.Damage(4)
		p.store.Damage(5)
		p.store.Damage(10)
		p.store.Seal()
		p.add("b", 5)
		r := p.start(t, out(sink))
		settle(2 * time.Second)
		r.wants(deliver.Counts{Delivered: 12, Evicted: 3}, 0)
		p.add("c", 3)
		p.store.Damage(18) // the newest there is
		settle(2 * time.Second)
		r.wants(deliver.Counts{Delivered: 14, Evicted: 4}, 0)
		p.add("d", 3)
		settle(2 * time.Second)
		r.wants(deliver.Counts{Delivered: 17, Evicted: 4}, 0)
		r.stop()
	})
}

func TestWhatIsMissingIsFoundAfterACrashInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(func(context.Context, []daybook.Event) error { time.Sleep(100 * time.Millisecond); return nil })
		d := out(sink)
		d.Concurrency, d.Batch.Events = 1, 1
		p.add("a", 100)
		p.store.Damage(4)
		r := p.start(t, d)
		settle(3 * time.Second) // past the damage, and not at the next count
		p.crash(r, waltest.Everything)
		r = p.start(t, d)
		settle(time.Minute)
		r.wants(deliver.Counts{Delivered: 99, Evicted: 1}, 0)
		r.stop()
	})
}

func TestWhatWasFinishedBehindAnEvictedEventIsNotCountedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(func(context.Context, []daybook.Event) error {
			return delivertest.Refuse(delivertest.Coded(daybook.Unavailable), "a-1")
		})
		p.add("a", 10)
		r := p.start(t, out(sink))
		settle(2 * time.Second)
		p.crash(r, waltest.Everything)
		p.store.Evict(5) // in the middle of what is finished behind it
		r = p.start(t, out(sink))
		settle(time.Minute)
		r.wants(deliver.Counts{Delivered: 9, Evicted: 1}, 0)
		r.stop()
	})
}

func TestRecordsThatAreNoEventsAreNotMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		at := p.add("a", 1)
		for range 10 {
			p.store.AddRecord(store.Record{Kind: store.KindSummary, Through: at[0]})
		}
		p.store.Damage(5)
		p.add("b", 1)
		r := p.start(t, out(sink))
		settle(2 * time.Second)
		r.wants(deliver.Counts{Delivered: 2}, 0)
		if lines := p.log.lines("level=ERROR"); len(lines) != 0 {
			t.Errorf("the log says %q", lines)
		}
		r.stop()
	})
}

func TestAStoreThatIsClosedFirstKeepsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(refusing("a-1"))
		r := p.start(t, out(sink))
		settle(time.Second)
		p.store.Close()
		settle(time.Hour)
		r.stop()
		if lines := p.log.lines("level=ERROR"); len(lines) != 0 {
			t.Errorf("the log says %q", lines)
		}
	})
}

func TestAStoreThatCannotBeReadIsSaidAndReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		p.store.Unread(&daybook.Error{Code: daybook.Unavailable, Reason: "store_unreadable", Message: "the store could not be read"})
		p.add("a", 3)
		r := p.start(t, out(sink))
		settle(time.Minute)
		if s := r.status(); s.State != deliver.StateUnreadable || s.Queued != 3 {
			t.Errorf("%+v", s)
		}
		if lines := p.log.lines("level=ERROR", "cannot be read"); len(lines) != 1 {
			t.Errorf("the log says %q", lines)
		}
		p.store.Unread(nil)
		settle(10 * time.Second)
		r.wants(deliver.Counts{Delivered: 3}, 0)
		r.stop()
	})
}
