package rule_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/rule"
)

// outgoing is the event that lists are tried on.
func outgoing() daybook.Event {
	e := login().Outgoing()
	e.IdempotencyKey = "once"
	return e
}

func compileSend(t testing.TB, fields ...string) *rule.Projection {
	t.Helper()
	p, err := rule.CompileSend(append([]string{"event_id", "event_name", "event_ts"}, fields...))
	if err != nil {
		t.Fatalf("%v: %v", fields, err)
	}
	return p
}

func TestOnlyTheFieldsListedLeave(t *testing.T) {
	e := outgoing()
	compileSend(t).Apply(&e)
	if e.ID != "e-1" || e.Name != "login-success" || !e.Time.Equal(noon) {
		t.Errorf("what is always sent is not: %+v", e)
	}
	if e.Type != "" || e.Actor != "" || e.Metadata != nil || e.IdempotencyKey != "" || e.SampleRate != 0 {
		t.Errorf("more than asked for leaves: %+v", e)
	}
	if want := (daybook.Origin{Scope: "checkout"}); *e.Origin != want {
		t.Errorf("the origin is %+v, want %+v", *e.Origin, want)
	}

	all, e := outgoing(), outgoing()
	compileSend(t, "event_type", "actor_id", "ingested_at", "caller", "protocol", "instance", "metadata", "idempotency_key", "sample_rate").Apply(&e)
	if *e.Origin != *all.Origin || string(e.Metadata) != string(all.Metadata) || e.Type != all.Type || e.Actor != all.Actor ||
		e.SampleRate != all.SampleRate || e.IdempotencyKey != all.IdempotencyKey {
		t.Errorf("of everything %+v is left", e)
	}
}

func TestMembersLeaveAsTheyWereWritten(t *testing.T) {
	for _, test := range []struct {
		fields         []string
		metadata, want string
	}{
		{[]string{"metadata.plan"}, `{"a":1,"plan":"pro"}`, `{"plan":"pro"}`},
		{[]string{"metadata.plan"}, ` { "plan" : "\u0070ro" , "a":1} `, `{"plan":"\u0070ro"}`},
		{[]string{"metadata.n", "metadata.m"}, `{"m":1.50,"x":0,"n":12345678901234567890123}`, `{"m":1.50,"n":12345678901234567890123}`},
		{[]string{"metadata.a.b"}, `{"a":{"b":{"c":[1, 2]},"d":1},"b":2}`, `{"a":{"b":{"c":[1, 2]}}}`},
		{[]string{"metadata.a.b", "metadata.a.c"}, `{"a":{"b":1,"c":2,"d":3}}`, `{"a":{"b":1,"c":2}}`},
		{[]string{"metadata.a", "metadata.a.b"}, `{"a":{"b":1,"d":3}}`, `{"a":{"b":1,"d":3}}`},
		{[]string{"metadata.a.b"}, `{"a":"b"}`, `{}`},
		{[]string{"metadata.a.b"}, `{"a":[{"b":1}]}`, `{}`},
		{[]string{"metadata.a.b"}, `{"a":{}}`, `{"a":{}}`},
		{[]string{"metadata.plan"}, `{}`, `{}`},
		{[]string{"metadata.plan"}, ``, ``},
		{[]string{"metadata.plan"}, `null`, ``},
		{[]string{"metadata.plan"}, `{"plan":1,"cut`, ``},
		{[]string{"metadata.a.b"}, `{"a":{"b":1,}}`, ``},
		{[]string{"metadata.a b"}, `{"a\u0020b":1}`, `{"a b":1}`},
		{[]string{"metadata", "metadata.plan"}, `{"a":1,"plan":2}`, `{"a":1,"plan":2}`},
	} {
		e := daybook.Event{Metadata: []byte(test.metadata)}
		compileSend(t, test.fields...).Apply(&e)
		if string(e.Metadata) != test.want {
			t.Errorf("%v of %s: %s, want %s", test.fields, test.metadata, e.Metadata, test.want)
		}
	}
}

func TestWhatAnEventSharesIsNotChanged(t *testing.T) {
	shared := outgoing()
	before, origin := string(shared.Metadata), *shared.Origin
	e := shared
	compileSend(t, "metadata.plan").Apply(&e)
	if string(shared.Metadata) != before || *shared.Origin != origin {
		t.Errorf("the copy changed its original: %+v", shared)
	}
	clear(e.Metadata)
	if string(shared.Metadata) != before {
		t.Error("what leaves is a part of the original")
	}
}

func TestAMistakeInAListIsNamed(t *testing.T) {
	always := "event_id, event_name and event_ts always leave, so the list has to name them"
	for _, test := range []struct {
		fields []string
		want   string
	}{
		{nil, "event_id is missing: " + always},
		{[]string{"event_id", "metadata.plan", "event_ts"}, "event_name is missing: " + always},
		{[]string{"event_id", "event_name"}, "event_ts is missing: " + always},
		{[]string{"event_id", "event_neam"}, "there is no event_neam; did you mean event_name?"},
		{[]string{"plan"}, "there is no plan; a member of the metadata is metadata.plan, and the others are event_id, event_name, event_type, actor_id, event_ts, ingested_at, caller, protocol, instance, metadata, idempotency_key, sample_rate"},
		{[]string{"metadata."}, `"metadata." has an empty name between its dots`},
		{[]string{"metadata.a..b"}, `"metadata.a..b" has an empty name between its dots`},
	} {
		_, err := rule.CompileSend(test.fields)
		if e, ok := errors.AsType[*daybook.Error](err); !ok || e.Code != daybook.Invalid || err.Error() != test.want {
			t.Errorf("%v: %v\nwant %s", test.fields, err, test.want)
		}
	}
}

func TestAListIsShownWithoutWhatItRepeats(t *testing.T) {
	p := compileSend(t, "metadata.b", "metadata.a.y", "metadata.a.x", "metadata.b.c", "event_ts")
	if want := "event_id, event_name, event_ts, metadata.a.x, metadata.a.y, metadata.b"; p.String() != want {
		t.Errorf("%s, want %s", p, want)
	}
}

// What leaves of any metadata is JSON, and nothing else than what was asked for.
func FuzzApply(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1,"c":2},"plan":"pro","x":[{"a":1}]}`))
	f.Add([]byte(`{"a":{"b":1,}}`))
	f.Add([]byte("{\"plan\":\"\xff\"}"))
	f.Add([]byte(`{"plan":1,"plan":2}`))
	p := compileSend(f, "metadata.a.b", "metadata.plan")
	f.Fuzz(func(t *testing.T, metadata []byte) {
		e := daybook.Event{ID: "e", Name: "n", Time: time.Unix(0, 0), Metadata: metadata}
		p.Apply(&e)
		if e.Metadata == nil {
			return
		}
		var left map[string]json.RawMessage
		if err := json.Unmarshal(e.Metadata, &left); err != nil {
			t.Fatalf("%q leaves %q: %v", metadata, e.Metadata, err)
		}
		for name := range left {
			if name != "a" && name != "plan" {
				t.Errorf("%q leaves", name)
			}
		}
	})
}
