package deliver_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal/waltest"
)

// await stores an event that its caller waits for.
func (p *place) await(id string) store.Position {
	r := delivertest.Event("shop", id, "")
	r.Awaited = []string{"out"}
	return p.store.AddRecord(r)
}

// word stores what the destination said about the event at a position.
func (p *place) word(at store.Position, status daybook.Status) {
	p.store.AddRecord(store.Record{
		Kind: store.KindSettled, Caller: "shop", Received: time.Now(),
		Settlement: &store.Settlement{Position: at, Destination: "out", Status: status},
	})
}

func TestAnEventThatItsCallerWaitsForIsNeverWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		r := p.start(t, out(sink), deliver.Destination{Name: "other", Sink: &delivertest.Sink{}})
		taken, refused := p.await("taken"), p.await("refused")
		p.add("a", 2)
		settle(time.Second)
		r.wants(deliver.Counts{Delivered: 2}, 2)
		if s := r.status(); s.Low != 0 || s.Unfinished != 2 {
			t.Errorf("two are unsettled: %+v", s)
		}
		p.word(refused, daybook.Failed)
		p.word(taken, daybook.Stored)
		settle(time.Second)
		r.wants(deliver.Counts{Delivered: 3, Dead: 1}, 0)
		if n := len(p.store.Records(store.KindRefused)); n != 0 {
			t.Errorf("%d dead letters beside the settlement", n)
		}
		each(t, sink, 0, 0, "taken", "refused")
		if s := r.statusOf("other"); s.Delivered != 4 {
			t.Errorf("a destination that nobody waited for: %+v", s)
		}
		r.stop()
	})
}

func TestAnEventThatACrashLeftUnsettledIsADeadLetterOfUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		r := p.start(t, out(sink))
		settle(time.Second)
		lost, settled := p.await("lost"), p.await("settled")
		p.word(settled, daybook.Stored)
		p.crash(r, waltest.Everything)
		r = p.start(t, out(sink))
		settle(2 * time.Second)
		r.wants(deliver.Counts{Delivered: 1, Dead: 1}, 0)
		letters := p.store.Records(store.KindRefused)
		if len(letters) != 1 {
			t.Fatalf("%d dead letters", len(letters))
		}
		l := letters[0]
		if l.Refusal.Position != lost || l.Refusal.Reason != "outcome_unknown" || l.Refusal.Code != daybook.Unavailable ||
			l.Event.ID != "lost" || len(l.Event.Metadata) == 0 || l.Caller != "shop" || l.Refusal.Destination != "out" {
			t.Errorf("letter %+v: %+v", l.Refusal, l)
		}
		each(t, sink, 0, 0, "lost", "settled")
		r.stop()
	})
}

func TestAnEventThatNobodySettlesIsADeadLetterAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		r := p.start(t, out(sink))
		settle(time.Second)
		at := p.await("slow")
		settle(85 * time.Second)
		r.wants(deliver.Counts{}, 1)
		settle(10 * time.Second)
		r.wants(deliver.Counts{Dead: 1}, 0)

		p.word(at, daybook.Stored) // later than anybody expects
		settle(time.Second)
		r.wants(deliver.Counts{Delivered: 1}, 0)
		r.stop()
	})
}

func TestASettlementBehindTheDeadLetterCountsAfterACrashAsWell(t *testing.T) {
	for name, saved := range map[string]bool{"the cursor knows of the letter": true, "it does not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace()
				sink := &delivertest.Sink{}
				r := p.start(t, out(sink))
				settle(time.Second)
				at := p.await("slow")
				for len(p.store.Records(store.KindRefused)) == 0 {
					settle(time.Millisecond)
				}
				if saved {
					settle(time.Second)
				}
				p.word(at, daybook.Stored)
				p.crash(r, waltest.Everything) // before it is read
				for range 2 {
					r = p.start(t, out(sink))
					settle(2 * time.Second)
					r.wants(deliver.Counts{Delivered: 1}, 0)
					p.crash(r, waltest.Everything)
				}
				if strings.Contains(string(p.content(t, cursorFile)), "unknown") {
					t.Error("the cursor waits for a settlement that nobody can write any more")
				}
			})
		})
	}
}

func TestManyMayWaitForTheirSettlement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		r := p.start(t, out(sink))
		var at []store.Position
		for range 20_000 { // more than there is room for events
			at = append(at, p.await("waited"))
		}
		settle(time.Second)
		var words []store.Record
		for _, position := range at {
			words = append(words, store.Record{
				Kind: store.KindSettled, Caller: "shop", Received: time.Now(),
				Settlement: &store.Settlement{Position: position, Destination: "out", Status: daybook.Stored},
			})
		}
		if _, err := p.store.Append(t.Context(), words); err != nil {
			t.Fatal(err)
		}
		settle(time.Second)
		r.wants(deliver.Counts{Delivered: 20_000}, 0)
		r.stop()
	})
}

func TestASettlementOfAnEventThatNobodyAwaitedEndsItAsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// As in a journal of before, whose records do not say who is awaited.
		p := newPlace()
		sink := &delivertest.Sink{}
		taken, refused := p.store.Add("shop", "taken", ""), p.store.Add("shop", "refused", "")
		p.word(taken, daybook.Stored)
		p.word(refused, daybook.Failed)
		r := p.start(t, out(sink))
		settle(time.Second)
		r.wants(deliver.Counts{Delivered: 1, Dead: 1}, 0)
		if n := len(sink.Writes()); n != 0 {
			t.Errorf("%d writes", n)
		}
		r.stop()
	})
}
