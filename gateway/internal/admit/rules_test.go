package admit_test

import (
	"fmt"
	"math"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/store"
)

// named is a First that matches the rule whose name is the event's.
func named(list []admit.Rule) func(*store.Record) int {
	return func(r *store.Record) int {
		for i := range list {
			if list[i].Name == r.Event.Name {
				return i
			}
		}
		return -1
	}
}

func rulesOf(list ...admit.Rule) *admit.Rules { return &admit.Rules{List: list, First: named(list)} }

// judged is what becomes of an event of a caller.
func judged(rules *admit.Rules, e daybook.Event, caller string) (store.Record, admit.Verdict) {
	a := admitter()
	a.Rules.Store(rules)
	var r store.Record
	v := a.Admit(given(e), admit.Origin{Caller: caller, Protocol: "http", Instance: "here"}, &r)
	return r, v
}

func TestTheRuleThatMatchesDecides(t *testing.T) {
	var got []byte
	wrong := func(metadata []byte) *daybook.Error {
		got = metadata
		return &daybook.Error{Field: "metadata.id", Message: "it lacks id"}
	}
	fits := func([]byte) *daybook.Error { return nil }
	rules := rulesOf(
		admit.Rule{Name: "keep"}, admit.Rule{Name: "drop", Drop: true}, admit.Rule{Name: "refuse", Refuse: "send v2"},
		admit.Rule{Name: "aside", Refuse: "send v2", Quarantine: true},
		admit.Rule{Name: "schema", Schema: wrong}, admit.Rule{Name: "schema-aside", Schema: wrong, Quarantine: true},
		admit.Rule{Name: "fits", Schema: fits, Sample: 1},
	)
	for name, c := range map[string]struct {
		kind                     store.Kind
		dropped, refused, field  string
		rule, message, setReason string
	}{
		"other":        {kind: store.KindEvent},
		"keep":         {kind: store.KindEvent, rule: "keep"},
		"drop":         {dropped: "dropped_by_rule", rule: "drop"},
		"refuse":       {refused: "refused_by_rule", message: "send v2", rule: "refuse"},
		"aside":        {kind: store.KindRefused, refused: "quarantined_by_rule", message: "send v2", rule: "aside", setReason: "quarantined_by_rule"},
		"schema":       {refused: "schema_mismatch", field: "metadata.id", message: "it lacks id", rule: "schema"},
		"schema-aside": {kind: store.KindRefused, refused: "schema_mismatch", field: "metadata.id", message: "it lacks id", rule: "schema-aside", setReason: "schema_mismatch"},
		"fits":         {kind: store.KindEvent, rule: "fits"},
	} {
		t.Run(name, func(t *testing.T) {
			r, v := judged(rules, daybook.Event{Name: name, ID: "e1", Metadata: []byte(`{"n":1.0}`)}, "c")
			if r.Kind != c.kind || v.Dropped != c.dropped || v.Rule != c.rule || r.Event.ID != "e1" {
				t.Errorf("record %+v, verdict %+v", r, v)
			}
			if (v.Refusal != nil) != (c.refused != "") || v.Refusal != nil &&
				(v.Refusal.Code != daybook.Invalid || v.Refusal.Reason != c.refused || v.Refusal.Field != c.field || v.Refusal.Message != c.message) {
				t.Errorf("refused with %+v", v.Refusal)
			}
			if (r.Refusal != nil) != (c.setReason != "") || r.Refusal != nil && (r.Refusal.Reason != c.setReason || r.Refusal.Code != daybook.Invalid) {
				t.Errorf("set aside because of %+v", r.Refusal)
			}
		})
	}
	if string(got) != `{"n":1.0}` {
		t.Errorf("the schema was asked about %s", got)
	}
}

func TestASchemaIsAskedAboutWhatIsTheCallersOwn(t *testing.T) {
	var got []byte
	rules := rulesOf(admit.Rule{Name: "a", Schema: func(metadata []byte) *daybook.Error { got = metadata; return nil }})
	a := admitter()
	a.Rules.Store(rules)
	var r store.Record
	s := given(daybook.Event{Name: "a", Metadata: []byte(`{"n":1e400}`)})
	s.Envelope = &admit.Envelope{ActorID: "ann"}
	if a.Admit(s, admit.Origin{}, &r); string(got) != `{"n":1e400}` || len(r.Event.Metadata) < 40 {
		t.Errorf("asked about %s; stored %s", got, r.Event.Metadata)
	}
}

func TestARuleSeesWhatIsStored(t *testing.T) {
	var seen store.Record
	rules := rulesOf(admit.Rule{Name: "a"})
	rules.Redactor = redactor(t, masked("actor_id"), masked("metadata.email"))
	rules.First = func(r *store.Record) int { seen = *r; return -1 }
	judged(rules, daybook.Event{Name: "a", Actor: "ann", Metadata: []byte(`{"email":"x"}`)}, "checkout")
	if seen.Event.ID != "new-id" || seen.Event.Actor != "***" || string(seen.Event.Metadata) != `{"email":"***"}` || !seen.Event.Time.Equal(noon) ||
		seen.Caller != "checkout" || seen.Protocol != "http" || seen.Instance != "here" || !seen.Received.Equal(noon) {
		t.Errorf("it saw %+v", seen)
	}
}

func TestRedactionIsNoPartOfTheDigest(t *testing.T) {
	rules := &admit.Rules{Redactor: redactor(t, removed("metadata.email"))}
	e := daybook.Event{Name: "a", ID: "1", Metadata: []byte(`{"email":"x"}`)}
	redacted, _ := judged(rules, e, "c")
	plain, _ := judged(nil, e, "c")
	e.Metadata = []byte(`{"email":"y"}`)
	other, _ := judged(rules, e, "c")
	if redacted.Digest != plain.Digest || redacted.Digest == other.Digest {
		t.Error("two events that differ in what is redacted are taken for copies, or a copy is not")
	}
}

func TestWhatIsRefusedAndKeptIsRedacted(t *testing.T) {
	rules := &admit.Rules{Redactor: redactor(t, removed("metadata.email"), masked("actor_id"))}
	a := admitter()
	a.Rules.Store(rules)
	var r store.Record
	a.Admit(admit.Submission{
		Event: daybook.Event{ID: "1", Actor: "ann", Metadata: []byte(`{"email":"x","n":1}`)}, Err: why, Quarantine: true,
	}, admit.Origin{}, &r)
	if r.Kind != store.KindRefused || r.Event.Actor != "***" || string(r.Event.Metadata) != `{"n":1}` {
		t.Errorf("kept %+v", r)
	}
}

func TestTheKillSwitchComesBeforeTheRules(t *testing.T) {
	rules := rulesOf(admit.Rule{Name: "a"}, admit.Rule{Name: "b"})
	rules.Kill = admit.Kill{Events: map[string]bool{"a": true}, Callers: map[string]bool{"noisy": true}}
	for _, c := range []struct {
		name, caller, dropped string
	}{{"a", "c", "killed"}, {"b", "c", ""}, {"b", "noisy", "killed"}} {
		if r, v := judged(rules, daybook.Event{Name: c.name}, c.caller); v.Dropped != c.dropped || (r.Kind == 0) != (c.dropped != "") {
			t.Errorf("%s of %s: %+v", c.name, c.caller, v)
		}
	}
}

func TestARuleTellsWhatItMadeOfAnEvent(t *testing.T) {
	var told []string
	rules := rulesOf(admit.Rule{Name: "a", Drop: true, Decided: func(reason string) { told = append(told, reason) }},
		admit.Rule{Name: "b", Decided: func(reason string) { told = append(told, reason) }})
	for _, name := range []string{"a", "b", "c"} {
		judged(rules, daybook.Event{Name: name}, "c")
	}
	if fmt.Sprint(told) != "[dropped_by_rule ]" {
		t.Errorf("told %q", told)
	}
}

// TestSamplingIsFairAndTheSameForACopy draws many lots. The bound is five standard
// errors.
func TestSamplingIsFairAndTheSameForACopy(t *testing.T) {
	const events = 20_000
	for _, rate := range []float64{0.01, 0.1, 0.5, 0.9} {
		rules := rulesOf(admit.Rule{Name: "a", Sample: rate})
		kept := 0
		for i := range events {
			e := daybook.Event{Name: "a", ID: fmt.Sprint("e-", i)}
			first, _ := judged(rules, e, "c")
			again, _ := judged(rules, e, "another caller")
			if first.Kind != again.Kind {
				t.Fatalf("%s is kept once, and once not", e.ID)
			}
			if first.Kind == store.KindEvent {
				if kept++; first.Event.SampleRate != rate {
					t.Fatalf("rate %v, want %v", first.Event.SampleRate, rate)
				}
			}
		}
		if off := math.Abs(float64(kept) - events*rate); off > 5*math.Sqrt(events*rate*(1-rate)) {
			t.Errorf("rate %v: %d of %d are kept", rate, kept, events)
		}
	}
}

func TestTheLotsOfTwoRulesAreIndependent(t *testing.T) {
	const events = 20_000
	one, two := rulesOf(admit.Rule{Name: "a", Sample: 0.5}), rulesOf(admit.Rule{Name: "b", Sample: 0.5})
	both := 0
	for i := range events {
		id := fmt.Sprint("e-", i)
		first, _ := judged(one, daybook.Event{Name: "a", ID: id}, "c")
		second, _ := judged(two, daybook.Event{Name: "b", ID: id}, "c")
		if first.Kind == store.KindEvent && second.Kind == store.KindEvent {
			both++
		}
	}
	if off := math.Abs(float64(both) - events/4.); off > 5*math.Sqrt(events*0.25*0.75) {
		t.Errorf("%d of %d are kept by both, want a quarter", both, events)
	}
}

func TestWhatOneActorDoesIsSampledAsAWhole(t *testing.T) {
	rules := rulesOf(admit.Rule{Name: "a", Sample: 0.5, By: admit.ByActor})
	kept := map[string]int{}
	for i := range 1000 {
		e := daybook.Event{Name: "a", ID: fmt.Sprint(i), Actor: fmt.Sprint("actor-", i%20)}
		if r, _ := judged(rules, e, "c"); r.Kind == store.KindEvent {
			kept[e.Actor]++
		}
	}
	if len(kept) == 0 || len(kept) == 20 {
		t.Errorf("%d of 20 actors are kept", len(kept))
	}
	for actor, n := range kept {
		if n != 50 {
			t.Errorf("of the 50 events of %s %d are kept", actor, n)
		}
	}
	anonymous := 0
	for i := range 100 {
		if r, _ := judged(rules, daybook.Event{Name: "a", ID: fmt.Sprint(i)}, "c"); r.Kind == store.KindEvent {
			anonymous++
		}
	}
	if anonymous == 0 || anonymous == 100 {
		t.Errorf("of 100 events without an actor %d are kept", anonymous)
	}
}

func TestRatesMultiply(t *testing.T) {
	rules := rulesOf(admit.Rule{Name: "a", Sample: 0.5}, admit.Rule{Name: "b"})
	for before, want := range map[float64]float64{0: 0.5, 0.2: 0.1, 1: 0.5, 7: 0.5, -1: 0.5, math.Inf(1): 0.5} {
		for i := 0; ; i++ {
			r, v := judged(rules, daybook.Event{Name: "a", ID: fmt.Sprint(i), SampleRate: before}, "c")
			if v.Dropped != "" {
				continue
			}
			if r.Event.SampleRate != want {
				t.Errorf("%v became %v, want %v", before, r.Event.SampleRate, want)
			}
			break
		}
	}
	if r, _ := judged(rules, daybook.Event{Name: "b", SampleRate: 0.2}, "c"); r.Event.SampleRate != 0.2 {
		t.Errorf("without a sample 0.2 became %v", r.Event.SampleRate)
	}
}

// The lot is documented, so that others can predict it: printf 'rule:debug:0b7e3f5e'
// | sha256sum begins with ef72585ad938e7d0, which is 0.93534 of 2^64.
func TestTheLotIsAsDocumented(t *testing.T) {
	for rate, want := range map[float64]string{0.9353: "sampled_out", 0.9354: ""} {
		rules := rulesOf(admit.Rule{Name: "debug", Sample: rate})
		if _, v := judged(rules, daybook.Event{Name: "debug", ID: "0b7e3f5e"}, "c"); v.Dropped != want {
			t.Errorf("rate %v: %+v", rate, v)
		}
	}
}

func TestAdmitWithRulesDoesNotAllocate(t *testing.T) {
	rules := rulesOf(admit.Rule{Name: "a", Sample: 1})
	a := admitter()
	a.Rules.Store(rules)
	s := given(daybook.Event{Name: "a", ID: "1"})
	r := new(store.Record)
	if n := testing.AllocsPerRun(100, func() {
		*r = store.Record{}
		a.Admit(s, admit.Origin{Caller: "c"}, r)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
