package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal/waltest"
)

// refusing refuses the events with some ids for good, and names them.
func refusing(refused ...string) func(context.Context, []daybook.Event) error {
	return func(_ context.Context, events []daybook.Event) error {
		var found []string
		for _, e := range events {
			if slices.Contains(refused, e.ID) {
				found = append(found, e.ID)
			}
		}
		if len(found) == 0 {
			return nil
		}
		return delivertest.Refuse(delivertest.Coded(daybook.Invalid), found...)
	}
}

func TestNothingIsDeadBeforeItsLetterIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(refusing("a-1"))
		p.add("a", 3)
		p.store.Refuse(&daybook.Error{Code: daybook.Exhausted, Reason: "disk_full", Message: "the disk is full"})
		r := p.start(t, out(sink))
		settle(10 * time.Minute)
		r.wants(deliver.Counts{Delivered: 2}, 1)
		if lines := p.log.lines("dead letters cannot be stored", "the disk is full"); len(lines) != 1 {
			t.Errorf("the log says %q", lines)
		}
		if n := len(sink.Writes()); n != 1 {
			t.Errorf("the refused event was tried %d times", n)
		}
		p.store.Refuse(nil)
		settle(time.Minute)
		r.wants(deliver.Counts{Delivered: 2, Dead: 1}, 0)
		r.stop()
	})
}

func TestACrashBehindADeadLetterCostsNoSecondOne(t *testing.T) {
	for _, keep := range []waltest.Keep{waltest.Everything, waltest.Nothing} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace()
			sink := &delivertest.Sink{}
			sink.Do(refusing("a-1", "a-2"))
			p.add("a", 5)
			r := p.start(t, out(sink))
			settle(20 * time.Millisecond)
			if n := len(p.store.Records(store.KindRefused)); n != 2 {
				t.Fatalf("%d dead letters", n)
			}
			// The cursor does not know of them yet. Another crash, before what
			// the start found is read again, changes nothing.
			p.crash(r, keep)
			sink.Do(nil) // it would take them now
			r = p.start(t, out(sink))
			p.crash(r, keep)
			r = p.start(t, out(sink))
			settle(time.Minute)
			r.wants(deliver.Counts{Delivered: 3, Dead: 2}, 0)
			if n := len(p.store.Records(store.KindRefused)); n != 2 {
				t.Errorf("%d dead letters", n)
			}
			each(t, sink, 0, 0, "a-1", "a-2")
			r.stop()
		})
	}
}

func TestADeadLetterBehindADamagedCursorIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		p.add("a", 1)
		r := p.start(t, out(sink))
		settle(5 * time.Second) // written, and there are no dead letters
		sink.Do(refusing("b-0", "c-0"))
		p.add("b", 1)
		settle(5 * time.Second)
		p.add("c", 1)
		settle(100 * time.Millisecond)
		r.wants(deliver.Counts{Delivered: 1, Dead: 2}, 0)
		p.crash(r, waltest.Everything)
		p.damage(t, cursorFile)
		sink.Do(nil)
		r = p.start(t, out(sink))
		settle(time.Minute)
		r.wants(deliver.Counts{Delivered: 1, Dead: 2}, 0)
		r.stop()
	})
}

func TestWhileTheCursorCannotSayThatThereMayBeLettersNoneIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(refusing("a-0"))
		r := p.start(t, out(sink))
		settle(3 * time.Second)
		p.disk.Fail(func(op waltest.Operation) error {
			if op.Kind == waltest.SyncDir {
				return syscall.EIO
			}
			return nil
		})
		p.add("a", 1)
		settle(time.Minute)
		if n := len(p.store.Records(store.KindRefused)); n != 0 {
			t.Errorf("%d dead letters are stored", n)
		}
		r.wants(deliver.Counts{}, 1)
		p.disk.Fail(nil)
		settle(time.Minute)
		r.wants(deliver.Counts{Dead: 1}, 0)
		r.stop()
	})
}

func TestNoLetterIsStoredWhileACursorIsWrittenThatSaysThereAreNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(refusing("a-0", "b-0"))
		r := p.start(t, out(sink))
		settle(3 * time.Second)
		p.add("a", 1)
		settle(900 * time.Millisecond)
		release := make(chan struct{})
		p.disk.Fail(func(op waltest.Operation) error { // a disk that hangs
			if op.Kind == waltest.Sync {
				<-release
			}
			return nil
		})
		settle(500 * time.Millisecond) // "there are none any more" is being written
		p.add("b", 1)
		settle(time.Second)
		if n := len(p.store.Records(store.KindRefused)); n != 1 {
			t.Errorf("%d dead letters", n)
		}
		p.disk.Fail(nil)
		close(release)
		settle(time.Second)
		r.wants(deliver.Counts{Dead: 2}, 0)
		r.stop()
	})
}

func TestALetterThatAStartFoundIsNotForgottenByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(func(_ context.Context, events []daybook.Event) error {
			partial := &daybook.PartialError{}
			for _, e := range events {
				code := daybook.Unavailable
				if e.ID == "a-8" {
					code = daybook.Invalid
				}
				partial.Failed = append(partial.Failed, daybook.Outcome{ID: e.ID, Err: delivertest.Coded(code)})
			}
			return partial
		})
		p.add("a", 10)
		r := p.start(t, out(sink))
		for len(p.store.Records(store.KindRefused)) == 0 {
			settle(time.Millisecond)
		}
		p.crash(r, waltest.Everything)

		narrow := out(sink) // does not get as far as to the event
		narrow.Concurrency, narrow.Batch.Events = 1, 1
		sink.Fail(delivertest.Coded(daybook.Unavailable))
		r = p.start(t, narrow)
		settle(time.Minute)
		p.add("b", 1)
		settle(time.Minute)
		p.crash(r, waltest.Everything)

		sink.Do(nil)
		r = p.start(t, out(sink))
		settle(time.Minute)
		r.wants(deliver.Counts{Delivered: 10, Dead: 1}, 0)
		each(t, sink, 0, 0, "a-8")
		r.stop()
	})
}

func TestManyDeadLettersDoNotWriteTheCursorEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Fail(delivertest.Coded(daybook.Invalid))
		r := p.start(t, out(sink))
		settle(3 * time.Second)
		before := len(p.disk.Log())
		for range 200 {
			p.add("a", 1)
			settle(20 * time.Millisecond)
		}
		const each = 5 // create, write, sync, two renames; one folder
		if n := (len(p.disk.Log()) - before) / each; n > 60 {
			t.Errorf("written %d times in 4 s", n)
		}
		r.wants(deliver.Counts{Dead: 200}, 0)
		if lines := p.log.lines("refused events for good"); len(lines) != 1 {
			t.Errorf("the log says %q", lines)
		}
		r.stop()
	})
}

func TestDeadLettersOfACallerAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Fail(delivertest.Coded(daybook.Invalid))
		d := out(sink)
		d.MaxDeadBytes = 100
		d.Concurrency = 1
		d.Batch.Events = 1
		r := p.start(t, d)
		for i := range 6 {
			p.store.Add("loud", fmt.Sprint("loud-", i), "ann")
		}
		settle(3 * time.Second)
		p.crash(r, waltest.Everything)
		r = p.start(t, d)
		p.store.Add("loud", "loud-6", "ann")
		p.store.Add("quiet", "quiet-0", "ann")
		settle(3 * time.Second)
		whole := map[string]int{}
		for _, e := range p.store.Records(store.KindRefused) {
			if e.Event.ID == "" || e.Event.Name == "" || e.Caller == "" || e.Refusal.Position == 0 {
				t.Errorf("a letter without id, name, caller or position: %+v", e)
			}
			if len(e.Event.Metadata) > 0 {
				whole[e.Caller]++
			}
		}
		if whole["loud"] != 3 || whole["quiet"] != 1 {
			t.Errorf("letters with content: %v", whole)
		}
		r.wants(deliver.Counts{Dead: 8}, 0)
		p.store.Evict(16) // all letters so far are gone
		p.store.Add("loud", "later", "ann")
		settle(3 * time.Second)
		letters := p.store.Records(store.KindRefused)
		if last := letters[len(letters)-1]; len(last.Event.Metadata) == 0 {
			t.Error("the letters that are gone still count")
		}
		r.stop()
	})
}

func TestADeadLetterThatSomebodyDeliversCountsAsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(refusing("a-1", "a-2"))
		at := p.add("a", 3)
		r := p.start(t, out(sink))
		settle(time.Second)
		word := func(at store.Position, status daybook.Status, reason string) {
			p.store.AddRecord(store.Record{Kind: store.KindSettled, Caller: "shop", Received: time.Now(), Settlement: &store.Settlement{Position: at, Destination: "out", Status: status, Reason: reason}})
		}
		word(at[1], daybook.Stored, "retried")
		word(at[2], daybook.Dropped, "dropped_by_operator")
		settle(time.Second)
		r.wants(deliver.Counts{Delivered: 2, Dead: 1}, 0)
		r.wantsRetried(1)
		for range 3 { // it is not taken twice
			p.crash(r, waltest.Everything)
			r = p.start(t, out(sink))
			settle(time.Second)
			r.wants(deliver.Counts{Delivered: 2, Dead: 1}, 0)
			r.wantsRetried(1)
		}
		r.stop()
	})
}

func TestShapingThatFailsSetsTheEventAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		d := out(sink)
		d.Shape = func(e *daybook.Event) error {
			if e.ID == "a-1" {
				return errors.New("no such member")
			}
			return nil
		}
		p.add("a", 3)
		r := p.start(t, d)
		settle(time.Second)
		r.wants(deliver.Counts{Delivered: 2, Dead: 1}, 0)
		if got := sink.Writes(); len(got) != 1 || !slices.Equal(got[0], []string{"a-0", "a-2"}) {
			t.Errorf("written %v", got)
		}
		if dead := p.store.Records(store.KindRefused); len(dead) != 1 || dead[0].Refusal.Code != daybook.Invalid || dead[0].Refusal.Reason != "not_sendable" {
			t.Errorf("letters %+v", dead)
		}
		r.stop()
	})
}
