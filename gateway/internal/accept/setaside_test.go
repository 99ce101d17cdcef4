package accept_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/direct"
)

func badName() *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Reason: "invalid_feature", Field: "feature", Message: "feature is empty"}
}

// mixedBatch is an acceptable event and one that is refused and kept.
func mixedBatch() accept.Batch {
	b := waiting("good", "bad")
	b.Events[1].Err, b.Events[1].Quarantine, b.Events[1].Publisher = badName(), true, "instance-7"
	b.Events[1].Event.Metadata = []byte(`{"n":1.0}`)
	return b
}

func TestARefusedEventIsKeptInTheSameAppendAsItsNeighbours(t *testing.T) {
	m := &memory{}
	outcomes := newAccepter(m).Accept(t.Context(), mixedBatch())
	if len(m.appends) != 1 || len(m.appends[0]) != 2 {
		t.Fatalf("appended %v", m.appends)
	}
	r := m.appends[0][1]
	if r.Kind != store.KindRefused || r.Event.ID != "bad" || string(r.Event.Metadata) != `{"n":1.0}` || r.Event.Time.IsZero() || r.Received.IsZero() {
		t.Errorf("kept %+v", r)
	}
	if r.Caller != "checkout" || r.Scope != "checkout/instance-7" || r.Protocol != "logevent" || r.Instance != "here" || r.Awaited != nil {
		t.Errorf("it comes from %+v", r)
	}
	want := store.Refusal{Code: daybook.Invalid, Reason: "invalid_feature", Field: "feature", Message: "feature is empty"}
	if r.Refusal == nil || *r.Refusal != want {
		t.Errorf("because of %+v, want %+v", r.Refusal, want)
	}
	o := outcomes[1]
	if o.ID != "bad" || o.Status != daybook.Refused || o.Durability != daybook.Fsynced || o.Reason != "invalid_feature" || o.Err == nil {
		t.Errorf("outcome %+v", o)
	}
	if outcomes[0].Status != daybook.Stored {
		t.Errorf("its neighbour: %+v", outcomes[0])
	}
}

func TestWhatTheStoreSaysOfAnEventSetAside(t *testing.T) {
	lost := &daybook.Error{Code: daybook.Internal, Reason: "store_failed", Message: "the event could not be stored"}
	for name, c := range map[string]struct {
		receipt    store.Receipt
		status     daybook.Status
		durability daybook.Durability
		reason     string
	}{
		"a copy is kept already":         {store.Receipt{Status: daybook.Duplicate, Position: 7}, daybook.Refused, daybook.Fsynced, "invalid_feature"},
		"another one of its id is kept":  {store.Receipt{Status: daybook.Refused, Err: &daybook.Error{Code: daybook.Conflict, Reason: "id_conflict"}}, daybook.Refused, daybook.Fsynced, "invalid_feature"},
		"the store can never take it":    {store.Receipt{Status: daybook.Refused, Err: &daybook.Error{Code: daybook.Invalid, Reason: "refused_by_store"}}, daybook.Refused, daybook.NotDurable, "invalid_feature"},
		"it could not be written":        {store.Receipt{Status: daybook.Failed, Err: lost}, daybook.Failed, daybook.NotDurable, "store_failed"},
		"it is kept, and was not before": {store.Receipt{Status: daybook.Stored, Position: 2}, daybook.Refused, daybook.Fsynced, "invalid_feature"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{answer: func(int, []store.Record) ([]store.Receipt, error) {
				return []store.Receipt{{Status: daybook.Duplicate, ID: "good", Position: 1}, c.receipt}, nil
			}}
			o := newAccepter(m).Accept(t.Context(), mixedBatch())[1]
			if o.ID != "bad" || o.Status != c.status || o.Durability != c.durability || o.Reason != c.reason || o.Err == nil {
				t.Errorf("outcome %+v", o)
			}
		})
	}
}

func TestAStoreThatDecidesNothingFailsWhatWasToBeKept(t *testing.T) {
	m := &memory{answer: func(int, []store.Record) ([]store.Receipt, error) { return nil, daybook.ErrClosed }}
	for _, o := range newAccepter(m).Accept(t.Context(), mixedBatch()) {
		if o.Status != daybook.Failed || o.Reason != "closed" || o.Durability != daybook.NotDurable {
			t.Errorf("outcome %+v", o)
		}
	}
}

func TestWhatIsKeptOfBadEventsIsBoundedPerCaller(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	m := &memory{}
	a := newAccepter(m)
	a.Admit = &admit.Admitter{Now: func() time.Time { return now }}
	a.Quarantine = 10_000
	var kept, lost int
	a.SetAside = func(_ accept.Batch, isKept bool) {
		if isKept {
			kept++
			return
		}
		lost++
	}
	send := func(who string) daybook.Outcome {
		return a.Accept(t.Context(), accept.Batch{Caller: caller.Caller{Name: who}, Events: []admit.Submission{{
			Event: daybook.Event{Name: "a", Metadata: []byte(`{"x":"` + strings.Repeat("x", 4000) + `"}`)}, Err: badName(), Quarantine: true,
		}}})[0]
	}
	for i, want := range []daybook.Durability{daybook.Fsynced, daybook.Fsynced, daybook.NotDurable} {
		if o := send("one"); o.Status != daybook.Refused || o.Durability != want || o.Reason != "invalid_feature" {
			t.Errorf("%d: %+v, want durability %v", i, o, want)
		}
	}
	if o := send("another"); o.Durability != daybook.Fsynced {
		t.Errorf("another caller pays for it: %+v", o)
	}
	now = now.Add(30 * time.Minute) // half of it is there again
	if first, second := send("one"), send("one"); first.Durability != daybook.Fsynced || second.Durability != daybook.NotDurable {
		t.Errorf("after half an hour: %+v, %+v", first, second)
	}
	if kept != 4 || lost != 2 {
		t.Errorf("told of %d kept and %d lost, want 4 and 2", kept, lost)
	}
}

func TestACopyOfWhatIsKeptCostsItsCallerNothing(t *testing.T) {
	m := &memory{answer: func(n int, records []store.Record) ([]store.Receipt, error) {
		if n == 1 {
			return nil, nil // stored
		}
		return []store.Receipt{{Status: daybook.Duplicate, Position: 1}}, nil
	}}
	a := newAccepter(m)
	a.Quarantine = 600 // room for two
	for range 10 {
		b := waiting("bad")
		b.Events[0].Err, b.Events[0].Quarantine = badName(), true
		if o := a.Accept(t.Context(), b)[0]; o.Durability != daybook.Fsynced {
			t.Fatalf("outcome %+v", o)
		}
	}
}

func TestNothingIsKeptWhereTheOperatorSaysSo(t *testing.T) {
	m := &memory{}
	a := newAccepter(m)
	a.Quarantine = -1
	b := waiting("bad")
	b.Events[0].Err, b.Events[0].Quarantine = badName(), true
	if o := a.Accept(t.Context(), b)[0]; o.Status != daybook.Refused || o.Durability != daybook.NotDurable || len(m.appends) != 0 {
		t.Errorf("%+v, %d appends", o, len(m.appends))
	}
}

func TestTheTimeOfAnEventThatIsNotStoredIsNobodysConcern(t *testing.T) {
	a := newAccepter(&memory{})
	a.Skewed = func(_ accept.Batch, skew admit.Skew, events int) {
		t.Errorf("told of %d events of the %v", events, skew)
	}
	b := mixedBatch()
	b.Events[1].Event.Time, b.Events[1].TimeGiven = time.Unix(0, 0), true
	if o := a.Accept(t.Context(), b)[1]; o.Durability != daybook.Fsynced {
		t.Errorf("outcome %+v", o)
	}
}

func TestAnEventWithoutAnIDIsKeptUnderTheOneItIsGiven(t *testing.T) {
	m := &memory{}
	b := waiting("")
	b.Events[0].Err, b.Events[0].Quarantine = badName(), true
	o := newAccepter(m).Accept(t.Context(), b)[0]
	if o.ID == "" || m.appends[0][0].Event.ID != o.ID {
		t.Errorf("answered %q, kept %q", o.ID, m.appends[0][0].Event.ID)
	}
}

// TestWithADirectStoreBadEventsGoWhereTheOperatorSays: the destination for dead
// letters gets them with the reason, and they fail where there is none.
func TestWithADirectStoreBadEventsGoWhereTheOperatorSays(t *testing.T) {
	var letters []daybook.Event
	keep := sink(func(_ context.Context, events []daybook.Event) error {
		for _, e := range events {
			e.Metadata = bytes.Clone(e.Metadata) // they are lent
			letters = append(letters, e)
		}
		return nil
	})
	for name, c := range map[string]struct {
		place  daybook.Sink
		status daybook.Status
		reason string
		kept   daybook.Durability
	}{
		"a place":  {keep, daybook.Refused, "invalid_feature", daybook.Confirmed},
		"no place": {nil, daybook.Failed, "no_dead_letters", daybook.NotDurable},
	} {
		t.Run(name, func(t *testing.T) {
			s := direct.Open(direct.Options{Sink: takes, DeadLetters: c.place})
			defer func() { _ = s.Close(t.Context()) }()
			a := &accept.Accepter{Admit: &admit.Admitter{}, Store: s}
			outcomes := a.Accept(t.Context(), mixedBatch())
			if o := outcomes[1]; o.Status != c.status || o.Reason != c.reason || o.Durability != c.kept {
				t.Errorf("outcome %+v", o)
			}
			if outcomes[0].Status != daybook.Stored {
				t.Errorf("its neighbour: %+v", outcomes[0])
			}
		})
	}
	if len(letters) != 1 || letters[0].ID != "bad" || !strings.Contains(string(letters[0].Metadata), `"reason":"invalid_feature"`) || !strings.Contains(string(letters[0].Metadata), `"metadata":{"n":1.0}`) {
		t.Errorf("letters %+v", letters)
	}
}
