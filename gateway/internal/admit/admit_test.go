package admit_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/store"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func admitter() *admit.Admitter {
	return &admit.Admitter{Now: func() time.Time { return noon }, NewID: func() string { return "new-id" }}
}

// admitted is the record of an event that is admitted, or why it is refused.
func admitted(a *admit.Admitter, s admit.Submission) (store.Record, *daybook.Error) {
	var r store.Record
	v := a.Admit(s, admit.Origin{}, &r)
	return r, v.Refusal
}

// given is a submission of e as a caller that sets the time would make it.
func given(e daybook.Event) admit.Submission {
	return admit.Submission{Event: e, TimeGiven: !e.Time.IsZero()}
}

func TestAnEventIsCompletedWithWhatItLacks(t *testing.T) {
	record, err := admitted(admitter(), given(daybook.Event{Name: "a"}))
	if err != nil {
		t.Fatal(err)
	}
	if e := record.Event; e.ID != "new-id" || !e.Time.Equal(noon) || !record.Received.Equal(noon) {
		t.Errorf("completed to %+v, received %v", e, record.Received)
	}
}

func TestWhatTheCallerGaveStays(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	event := daybook.Event{
		ID: "e1", Name: "a", Type: daybook.Metric, Actor: "ann", IdempotencyKey: "k",
		Time: time.Date(2025, 1, 1, 0, 30, 0, 5, berlin), Metadata: []byte(`{"n":1.0}`),
	}
	record, err := admitted(admitter(), given(event))
	if err != nil {
		t.Fatal(err)
	}
	got := record.Event
	if !got.Time.Equal(event.Time) || got.Time.Location() != time.UTC {
		t.Errorf("time %v became %v", event.Time, got.Time)
	}
	if got.ID != "e1" || got.Type != daybook.Metric || got.Actor != "ann" || got.IdempotencyKey != "k" || string(got.Metadata) != `{"n":1.0}` {
		t.Errorf("the event became %+v", got)
	}
}

func TestTheFirstInstantOfTheYear1CanBeMeant(t *testing.T) {
	record, err := admitted(admitter(), admit.Submission{Event: daybook.Event{Name: "a"}, TimeGiven: true})
	if err != nil || !record.Event.Time.IsZero() {
		t.Errorf("time %v, err %v", record.Event.Time, err)
	}
}

func TestAnEventThatBreaksALimitIsRefusedByFieldAndReason(t *testing.T) {
	long := strings.Repeat("x", 257)
	for name, c := range map[string]struct {
		event         daybook.Event
		field, reason string
	}{
		"no name":              {daybook.Event{}, "event_name", "blank_name"},
		"a blank name":         {daybook.Event{Name: " \t\u2003"}, "event_name", "blank_name"},
		"a long name":          {daybook.Event{Name: long}, "event_name", "text_too_long"},
		"a long id":            {daybook.Event{Name: "a", ID: long}, "event_id", "text_too_long"},
		"a long type":          {daybook.Event{Name: "a", Type: daybook.Type(long)}, "event_type", "text_too_long"},
		"a long actor":         {daybook.Event{Name: "a", Actor: long}, "actor_id", "text_too_long"},
		"a long key":           {daybook.Event{Name: "a", IdempotencyKey: long}, "idempotency_key", "text_too_long"},
		"text that is no text": {daybook.Event{Name: "a", Actor: "\xff"}, "actor_id", "invalid_utf8"},
		"the year 0":           {daybook.Event{Name: "a", Time: time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC)}, "event_ts", "invalid_time"},
		"the year 10000":       {daybook.Event{Name: "a", Time: time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -7200))}, "event_ts", "invalid_time"},
		"a large event":        {daybook.Event{Name: "a", Metadata: make([]byte, 1<<20)}, "", "event_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := admitted(admitter(), given(c.event))
			if err == nil || err.Code != daybook.Invalid || err.Field != c.field || err.Reason != c.reason || err.Message == "" {
				t.Errorf("got %+v, want %s of %q", err, c.reason, c.field)
			}
		})
	}
}

func TestAnIntakeMayAllowLargerEvents(t *testing.T) {
	const larger = 2 << 20
	for bytes, fits := range map[int]bool{larger: true, larger + 1: false} {
		event := daybook.Event{Name: "a", Metadata: make([]byte, bytes-len("a"))}
		_, err := admitted(admitter(), admit.Submission{Event: event, MaxBytes: larger})
		if (err == nil) != fits {
			t.Errorf("%d bytes: %v", bytes, err)
		}
	}
}

func TestARefusalOfTheIntakeStays(t *testing.T) {
	refusal := &daybook.Error{Code: daybook.Invalid, Reason: "invalid_json"}
	if _, err := admitted(admitter(), admit.Submission{Err: refusal}); err != refusal {
		t.Errorf("got %v", err)
	}
}

func TestTheDigestIsOfWhatTheCallerSaid(t *testing.T) {
	base := daybook.Event{ID: "e1", Name: "a", Metadata: []byte(`{"n":1}`)}
	digest := func(s admit.Submission) store.Digest {
		record, err := admitted(admitter(), s)
		if err != nil {
			t.Fatal(err)
		}
		return record.Digest
	}
	first := digest(given(base))
	change := func(f func(*daybook.Event)) admit.Submission {
		e := base
		f(&e)
		return given(e)
	}
	for name, c := range map[string]struct {
		submission admit.Submission
		same       bool
	}{
		"the same again":            {given(base), true},
		"under another id":          {change(func(e *daybook.Event) { e.ID = "e2" }), true},
		"with another name":         {change(func(e *daybook.Event) { e.Name = "b" }), false},
		"with a type":               {change(func(e *daybook.Event) { e.Type = "t" }), false},
		"with an actor":             {change(func(e *daybook.Event) { e.Actor = "t" }), false},
		"with a key":                {change(func(e *daybook.Event) { e.IdempotencyKey = "t" }), false},
		"with a sample rate":        {change(func(e *daybook.Event) { e.SampleRate = 0.5 }), false},
		"with other metadata":       {change(func(e *daybook.Event) { e.Metadata = []byte(`{"n":1.0}`) }), false},
		"at a time":                 {change(func(e *daybook.Event) { e.Time = noon }), false},
		"as a gateway passed it on": {admit.Submission{Event: change(func(e *daybook.Event) { e.Time = noon }).Event}, true},
	} {
		if got := digest(c.submission); (got == first) != c.same {
			t.Errorf("%s: the digest is the same: %v", name, got == first)
		}
	}
}

// FuzzAdmit holds that what is admitted is within the limits and complete.
func FuzzAdmit(f *testing.F) {
	f.Add("", "a", "", "", "", int64(0), []byte(nil))
	f.Add("e1", " a ", "log", "ann", "k", int64(1)<<40, []byte(`{}`))
	f.Fuzz(func(t *testing.T, id, name, typ, actor, key string, seconds int64, metadata []byte) {
		event := daybook.Event{
			ID: id, Name: name, Type: daybook.Type(typ), Actor: actor, IdempotencyKey: key,
			Time: time.Unix(seconds, 0), Metadata: metadata,
		}
		record, err := admitted(admitter(), given(event))
		if err != nil {
			if err.Code != daybook.Invalid || err.Reason == "" || err.Message == "" {
				t.Fatalf("refused without saying why: %+v", err)
			}
			return
		}
		e := record.Event
		if e.ID == "" || strings.TrimSpace(e.Name) == "" || e.Time.Year() < 1 || e.Time.Year() > 9999 {
			t.Fatalf("admitted incomplete: %+v", e)
		}
		for _, text := range []string{e.ID, e.Name, string(e.Type), e.Actor, e.IdempotencyKey} {
			if len(text) > 256 || !utf8.ValidString(text) {
				t.Fatalf("admitted text %q", text)
			}
		}
	})
}

func BenchmarkAdmit(b *testing.B) {
	a := &admit.Admitter{}
	s := given(daybook.Event{
		ID: "0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c7d8e", Name: "checkout-completed", Type: daybook.Behavioral,
		Actor: "user-18273645", Time: noon, Metadata: []byte(strings.Repeat("x", 350)),
	})
	r := new(store.Record)
	b.ReportAllocs()
	for b.Loop() {
		*r = store.Record{}
		if v := a.Admit(s, admit.Origin{Caller: "checkout", Protocol: "http", Instance: "here"}, r); v.Refusal != nil {
			b.Fatal(v.Refusal)
		}
	}
}
