package query_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// A traced is a journal with a tracer over it.
type traced struct {
	*query.Tracer
	journal *journal.Journal
}

func tracer(t *testing.T, o journal.Options) *traced {
	t.Helper()
	o.Dir, o.FS = "/data", waltest.NewDisk(1)
	j, err := journal.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close(context.Background()) })
	return &traced{journal: j, Tracer: &query.Tracer{
		Events: j, Durability: daybook.Fsynced, Unstored: &query.Unstored{},
		Scopes: func() []string { return []string{"cart", "checkout"} },
	}}
}

func (tr *traced) append(t *testing.T, records ...store.Record) []store.Receipt {
	t.Helper()
	receipts, err := tr.journal.Append(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	return receipts
}

func (tr *traced) trace(t *testing.T, id, scope string) query.Trace {
	t.Helper()
	trace, err := tr.Trace(t.Context(), id, scope)
	if err != nil {
		t.Fatal(err)
	}
	if trace.EventID != id || trace.Message == "" {
		t.Errorf("trace %+v", trace)
	}
	return trace
}

// stored is a record of an event of a caller.
func stored(caller, id string) store.Record {
	return store.Record{
		Kind: store.KindEvent, Event: daybook.Event{ID: id, Name: "login", Time: noon, Metadata: []byte(`{"secret":1}`)},
		Caller: caller, Protocol: "http", Instance: "here", Received: time.Now().UTC(),
	}
}

func TestAnEventThatIsStoredTellsItsStory(t *testing.T) {
	tr := tracer(t, journal.Options{})
	e := stored("checkout", "e-1")
	e.Awaited = []string{"statsig", "crm"}
	at := tr.append(t, stored("checkout", "e-0"), e)[1].Position
	settledAt := e.Received.Add(time.Second)
	settlement := func(position store.Position, destination string, status daybook.Status, reason string) store.Record {
		return store.Record{Kind: store.KindSettled, Event: daybook.Event{ID: "e-1"}, Received: settledAt, Settlement: &store.Settlement{Position: position, Destination: destination, Status: status, Reason: reason}}
	}
	tr.append(t, settlement(at-1, "statsig", daybook.Stored, ""), settlement(at, "statsig", daybook.Failed, "forward_failed"))
	delivery := query.Step{Step: query.StepDelivery, Destination: "stream", Outcome: query.OutcomeQueued}
	tr.Deliveries = deliveries(func(p store.Position, r *store.Record) []query.Step {
		if p != at || r.Event.ID != "e-1" {
			t.Errorf("asked about %d, %s", p, r.Event.ID)
		}
		return []query.Step{delivery}
	})

	got := tr.trace(t, "e-1", "")
	delivery.Caller = "checkout"
	want := []query.Step{
		{At: e.Received, Step: "received", Outcome: "accepted", Detail: "over http, by here", Caller: "checkout"},
		{Step: "stored", Outcome: "fsync", Detail: "position 2", Caller: "checkout"},
		{At: settledAt, Step: "waited", Destination: "statsig", Attempt: 1, Outcome: "failed", Reason: "forward_failed", Caller: "checkout"},
		{Step: "waited", Destination: "crm", Attempt: 1, Outcome: "unknown", Detail: "its answer was not recorded: it is on its way, or the gateway died in between", Caller: "checkout"},
		delivery,
	}
	if got.Answer != query.Found || len(got.Events) != 1 || !reflect.DeepEqual(got.Events[0].Steps, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if one := got.Events[0]; one.Caller != "checkout" || one.EventName != "login" || one.Position != at || one.Entry == nil {
		t.Errorf("event %+v", one)
	}
	text, err := json.Marshal(got)
	if err != nil || strings.Contains(string(text), "secret") {
		t.Errorf("%s, %v: metadata is not for everybody", text, err)
	}
}

type deliveries func(store.Position, *store.Record) []query.Step

func (d deliveries) Steps(at store.Position, r *store.Record) []query.Step { return d(at, r) }

func TestAnIDOfSeveralCallersIsShownForEach(t *testing.T) {
	tr := tracer(t, journal.Options{})
	publisher := stored("checkout", "e-1")
	publisher.Scope = "billing"
	tr.append(t, stored("checkout", "e-1"), stored("cart", "e-1"), publisher)
	if got := tr.trace(t, "e-1", ""); len(got.Events) != 2 || got.Events[0].Caller != "cart" || got.Events[1].Caller != "checkout" {
		t.Errorf("all: %+v", got)
	}
	if got := tr.trace(t, "e-1", "checkout"); len(got.Events) != 1 || got.Events[0].Position != 1 {
		t.Errorf("one caller: %+v", got)
	}
	if got := tr.trace(t, "e-1", "billing"); len(got.Events) != 1 || got.Events[0].Position != 3 {
		t.Errorf("a publisher nobody has listed: %+v", got)
	}
}

func TestAnEventThatWasSetAsideSaysWhy(t *testing.T) {
	tr := tracer(t, journal.Options{})
	r := stored("checkout", "e-1")
	r.Kind, r.Refusal = store.KindRefused, &store.Refusal{Code: daybook.Invalid, Reason: "blank_name", Message: "event_name is blank"}
	tr.append(t, r)
	got := tr.trace(t, "e-1", "")
	if got.Answer != query.Refused || len(got.Events) != 1 {
		t.Fatalf("%+v", got)
	}
	if s := got.Events[0].Steps; len(s) != 3 || s[1].Step != query.StepRefused || s[1].Reason != "blank_name" || s[1].Detail != "event_name is blank" {
		t.Errorf("steps %+v", s)
	}
	tr.append(t, stored("checkout", "e-1")) // corrected, under the same id
	got = tr.trace(t, "e-1", "")
	if got.Answer != query.Found || len(got.Events) != 2 || got.Events[0].Answer != query.Refused || got.Events[1].Answer != query.Found {
		t.Errorf("corrected: %+v", got)
	}
}

func TestAnEventThatIsNoLongerKeptIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := tracer(t, journal.Options{ChunkBytes: wal.DataStart + 500, Keep: time.Hour, DedupWindow: 1000 * time.Hour})
		for i := range 40 {
			tr.append(t, stored("checkout", fmt.Sprint("e-", i)))
			time.Sleep(10 * time.Minute)
		}
		got := tr.trace(t, "e-0", "")
		if got.Answer != query.Gone || len(got.Events) != 1 || got.Events[0].Position != 1 || got.Events[0].Entry != nil {
			t.Errorf("%+v", got)
		}
		if got := tr.trace(t, "e-39", ""); got.Answer != query.Found {
			t.Errorf("%+v", got)
		}
	})
}

func TestWhatWasNotStoredIsRememberedToo(t *testing.T) {
	tr := tracer(t, journal.Options{})
	tr.Unstored.Observe("checkout", "http", []daybook.Outcome{
		{ID: "r", Status: daybook.Refused, Reason: "blank_name", Err: &daybook.Error{Message: "event_name is blank", Err: errors.New("internal")}},
		{ID: "d", Status: daybook.Dropped, Reason: "rule"},
		{ID: "f", Status: daybook.Failed, Reason: "disk_full", Err: errors.New("internal")},
		{ID: "s", Status: daybook.Stored},
		{ID: "2", Status: daybook.Duplicate},
		{ID: "u"},
		{Status: daybook.Refused},
		{ID: "kept", Status: daybook.Refused, Durability: daybook.Fsynced}, // has a record
	})
	for id, want := range map[string]struct {
		answer query.Answer
		reason string
		detail string
	}{
		"r": {query.Refused, "blank_name", "over http: event_name is blank"},
		"d": {query.Dropped, "rule", "over http"},
		"f": {query.Failed, "disk_full", "over http"},
		"s": {query.Never, "", ""}, "2": {query.Never, "", ""}, "kept": {query.Never, "", ""}, "u": {query.Never, "", ""}, "": {query.Never, "", ""}, "x": {query.Never, "", ""},
	} {
		got := tr.trace(t, id, "")
		if got.Answer != want.answer {
			t.Errorf("%q: %+v", id, got)
		}
		if want.reason == "" {
			continue
		}
		s := got.Events[0].Steps[0]
		if s.Reason != want.reason || s.Detail != want.detail || s.Outcome != string(want.answer) || s.Caller != "checkout" || s.At.IsZero() {
			t.Errorf("%q: %+v", id, s)
		}
	}
	if got := tr.trace(t, "r", "cart"); got.Answer != query.Never {
		t.Errorf("of another caller: %+v", got)
	}
}

func TestWhatIsStoredCountsBeforeWhatWasNot(t *testing.T) {
	tr := tracer(t, journal.Options{})
	conflict := []daybook.Outcome{{ID: "e-1", Status: daybook.Refused, Reason: "id_conflict"}}
	tr.Unstored.Observe("checkout", "http", []daybook.Outcome{{ID: "e-1", Status: daybook.Failed}})
	tr.append(t, stored("checkout", "e-1"))
	tr.Unstored.Observe("checkout", "http", conflict)
	got := tr.trace(t, "e-1", "")
	if got.Answer != query.Found || len(got.Events) != 3 || got.Events[1].Answer != query.Failed || got.Events[2].Answer != query.Refused {
		t.Errorf("%+v", got)
	}
}

func TestOnlyTheLastTenThousandAreRemembered(t *testing.T) {
	tr := tracer(t, journal.Options{})
	for i := range 10_001 {
		tr.Unstored.Observe("c", "http", []daybook.Outcome{{ID: fmt.Sprint(i), Status: daybook.Refused}})
	}
	for id, want := range map[string]query.Answer{"0": query.Never, "1": query.Refused, "10000": query.Refused} {
		if got := tr.trace(t, id, ""); got.Answer != want {
			t.Errorf("%s: %v, want %v", id, got.Answer, want)
		}
	}
}

func TestATraceOfAStoreThatCannotBeReadIsAnError(t *testing.T) {
	tr := tracer(t, journal.Options{})
	tr.append(t, stored("checkout", "e-1"))
	_ = tr.journal.Close(t.Context())
	if _, err := tr.Trace(t.Context(), "e-1", ""); !errors.Is(err, daybook.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestAStepIsARowWithNullWhereSomethingIsAbsent(t *testing.T) {
	full := query.Step{At: noon, Step: "delivery", Destination: "hook", Attempt: 3, Outcome: "dead", Reason: "rejected", Detail: "410", Caller: "c"}
	for _, test := range []struct {
		step query.Step
		want string
	}{
		{query.Step{Step: "stored"}, `{"at":null,"step":"stored","destination":null,"attempt":null,"outcome":null,"reason":null,"detail":null,"caller":null}`},
		{full, `{"at":"2026-01-31T12:00:00Z","step":"delivery","destination":"hook","attempt":3,"outcome":"dead","reason":"rejected","detail":"410","caller":"c"}`},
	} {
		text, err := json.Marshal(test.step)
		if err != nil || string(text) != test.want {
			t.Errorf("%s, %v\nwant %s", text, err, test.want)
		}
		var back query.Step
		if err := json.Unmarshal(text, &back); err != nil || back != test.step {
			t.Errorf("back: %+v, %v", back, err)
		}
	}
}
