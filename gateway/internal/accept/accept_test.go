package accept_test

import (
	"context"
	"errors"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/store"
)

func TestEventsAreStoredInOneAppendWithWhereTheyComeFrom(t *testing.T) {
	m := &memory{}
	outcomes := newAccepter(m).Accept(t.Context(), waiting("e1", "e2"))
	if len(m.appends) != 1 || len(m.appends[0]) != 2 {
		t.Fatalf("appended %v", m.appends)
	}
	for i, id := range []string{"e1", "e2"} {
		if r := m.appends[0][i]; r.Event.ID != id || r.Caller != "checkout" || r.Protocol != "logevent" || r.Instance != "here" || r.Kind != store.KindEvent {
			t.Errorf("record %+v", r)
		}
		if want := (daybook.Outcome{ID: id, Status: daybook.Stored, Durability: daybook.Fsynced}); outcomes[i] != want {
			t.Errorf("outcome %+v, want %+v", outcomes[i], want)
		}
	}
}

func TestEveryEventHasItsOwnOutcome(t *testing.T) {
	lost := &daybook.Error{Code: daybook.Internal, Reason: "store_failed", Message: "the event could not be stored"}
	conflict := &daybook.Error{Code: daybook.Conflict, Field: "event_id", Reason: "id_conflict"}
	m := &memory{answer: func(_ int, records []store.Record) ([]store.Receipt, error) {
		if len(records) != 4 {
			t.Errorf("%d records reached the store, want those of the 4 acceptable events", len(records))
		}
		return []store.Receipt{
			{Status: daybook.Stored, ID: "e1", Position: 1},
			{Status: daybook.Duplicate, ID: "e3", Position: 1},
			{Status: daybook.Refused, ID: "e4", Err: conflict},
			{Status: daybook.Failed, ID: "e5", Err: lost},
		}, nil
	}}
	batch := waiting("e1", "e2", "e3", "e4", "e5")
	batch.Events[1].Event.Name = " " // e2 is refused before the store is asked
	outcomes := newAccepter(m).Accept(t.Context(), batch)
	for i, want := range []daybook.Outcome{
		{ID: "e1", Status: daybook.Stored, Durability: daybook.Fsynced},
		{ID: "e2", Status: daybook.Refused, Reason: "blank_name"},
		{ID: "e3", Status: daybook.Duplicate, Durability: daybook.Fsynced},
		{ID: "e4", Status: daybook.Refused, Reason: "id_conflict"},
		{ID: "e5", Status: daybook.Failed, Reason: "store_failed"},
	} {
		got := outcomes[i]
		if e, ok := errors.AsType[*daybook.Error](got.Err); ok && e.Index != i {
			t.Errorf("the error of event %d says index %d", i, e.Index)
		}
		if (got.Err != nil) != (want.Reason != "") {
			t.Errorf("event %d: error %v", i, got.Err)
		}
		if got.Err = nil; got != want {
			t.Errorf("event %d: %+v, want %+v", i, got, want)
		}
	}
	if lost.Index != 0 || conflict.Index != 0 {
		t.Error("the store's own errors were changed")
	}
}

func TestAStoreThatDecidesNothingFailsEveryEvent(t *testing.T) {
	full := &daybook.Error{Code: daybook.Exhausted, Reason: "disk_full", Message: "the disk is full"}
	for name, c := range map[string]struct {
		err     error
		code    daybook.Code
		reason  string
		message string
	}{
		"full":            {full, daybook.Exhausted, "disk_full", "the disk is full"},
		"closed":          {daybook.ErrClosed, daybook.Unavailable, "closed", "the gateway is stopping; try again shortly"},
		"a foreign error": {errors.New("write /secret"), daybook.Internal, "store_failed", "the event could not be stored"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{answer: func(int, []store.Record) ([]store.Receipt, error) { return nil, c.err }}
			a := newAccepter(m, accept.Destination{Name: "d", Sink: untouched(t)})
			for i, o := range a.Accept(t.Context(), waiting("e1", "e2")) {
				e, ok := errors.AsType[*daybook.Error](o.Err)
				if !ok || o.Status != daybook.Failed || e.Code != c.code || e.Reason != c.reason || o.Reason != c.reason || e.Message != c.message || e.Index != i {
					t.Errorf("event %d: %+v", i, o)
				}
				if !errors.Is(o.Err, c.err) && !errors.Is(c.err, full) {
					t.Errorf("the cause is lost: %v", o.Err)
				}
			}
			if len(m.settled()) != 0 {
				t.Error("something was settled")
			}
		})
	}
}

func TestWithoutAnAcceptableEventTheStoreIsNotAsked(t *testing.T) {
	m := &memory{}
	refusal := &daybook.Error{Code: daybook.Invalid, Reason: "wrong_type"}
	a := newAccepter(m, accept.Destination{Name: "d", Sink: untouched(t)})
	outcomes := a.Accept(t.Context(), accept.Batch{Wait: true, Events: []admit.Submission{{Err: refusal}}})
	if len(m.appends) != 0 || outcomes[0].Status != daybook.Refused || outcomes[0].Reason != "wrong_type" {
		t.Errorf("%d appends, %+v", len(m.appends), outcomes[0])
	}
	if got := a.Accept(t.Context(), accept.Batch{}); len(got) != 0 || len(m.appends) != 0 {
		t.Errorf("no events have %d outcomes and %d appends", len(got), len(m.appends))
	}
}

func TestEveryBatchIsObservedWhenItsOutcomesAreKnown(t *testing.T) {
	a := newAccepter(&memory{}, accept.Destination{Name: "d", Sink: sink(func(context.Context, []daybook.Event) error { return errors.New("no") })})
	var seen []daybook.Outcome
	a.Observe = func(b accept.Batch, outcomes []daybook.Outcome) {
		if b.Protocol != "logevent" {
			t.Errorf("observed %+v", b)
		}
		seen = append(seen, outcomes...)
	}
	a.Accept(t.Context(), waiting("e1"))
	if len(seen) != 1 || seen[0].Status != daybook.Stored || seen[0].Reason != "forward_failed" {
		t.Errorf("observed %+v", seen)
	}
}
