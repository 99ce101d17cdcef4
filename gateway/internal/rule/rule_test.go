package rule_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/rule"
	"daybook.dev/gateway/internal/store"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// login is the event that expressions are tried on.
func login() *store.Record {
	return &store.Record{
		Kind: store.KindEvent,
		Event: daybook.Event{
			ID: "e-1", Name: "login-success", Type: daybook.Behavioral, Actor: "ann", Time: noon, SampleRate: 0.25,
			Metadata: []byte(`{"plan":"pro","n":5,"half":0.5,"big":12345678901234567890,"huge":123456789012345678901234567890,"beyond":1e400,` +
				`"none":null,"yes":true,"tags":["a","b"],"a":{"b":{"c":"deep"},"text":"t"},"my plan":"x\u0041\n","list":[{"k":1},{"k":2}]}`),
		},
		Caller: "checkout", Protocol: "http", Instance: "gateway-1", Received: noon.Add(time.Second),
	}
}

func compile(t testing.TB, expression string) *rule.Match {
	t.Helper()
	m, err := rule.Compile(expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return m
}

func TestAnExpressionSeesTheEventAsARowShowsIt(t *testing.T) {
	for _, expression := range []string{
		`event_id == "e-1" && event_name.startsWith("login-") && event_type == "behavioral" && actor_id == "ann"`,
		`caller == "checkout" && protocol == "http" && instance == "gateway-1"`,
		`event_ts == timestamp("2026-01-31T12:00:00Z") && ingested_at - event_ts == duration("1s")`,
		`event_ts.getHours() == 12`,
		`sample_rate < 1 && sample_rate == 0.25`,
		`event_name.matches("^log(in|out)-")`,
		`metadata.plan == "pro" && metadata["my plan"] == "xA\n"`,
		`metadata.a.b.c == "deep"`,
		`metadata.none == null && metadata.yes == true`,
		`metadata.n == 5 && metadata.n > 4.5 && metadata.half < 1 && metadata.n in [1, 5]`,
		`metadata.big == 12345678901234567890u && metadata.huge > 1e29 && metadata.beyond > 1e308`,
		`"a" in metadata.tags && metadata.tags[1] == "b" && size(metadata.tags) == 2`,
		`"plan" in metadata && !("nothing" in metadata) && size(metadata) == 12`,
		`metadata.list.exists(e, e.k == 2) && metadata.list.all(e, e.k < 3)`,
		`metadata.exists(name, name == "plan")`,
		`metadata.a == {"text": "t", "b": {"c": "deep"}} && metadata.a.b == metadata.a.b && metadata.a != metadata.a.b`,
		`has(metadata.plan) && has(metadata.a.b.c) && !has(metadata.nothing)`,
		`type(metadata) == map && {"x": 1} != metadata.a`,
		`true`,
	} {
		m := compile(t, expression)
		m.Failed = func(f rule.Failure) { t.Errorf("%s failed: %s", expression, f) }
		if !m.Matches(login()) {
			t.Errorf("%s does not match", expression)
		}
		if m.String() != expression {
			t.Errorf("%s is shown as %s", expression, m)
		}
	}
}

func TestWhatAnEventDoesNotHaveIsEmptyOrNoMatch(t *testing.T) {
	bare := &store.Record{Event: daybook.Event{ID: "e", Name: "x"}}
	for expression, want := range map[string]bool{
		`event_type == "" && actor_id == "" && caller == ""`: true,
		`sample_rate == 1.0`:                            true,
		`size(metadata) == 0`:                           true,
		`has(metadata.plan)`:                            false,
		`metadata.plan == "pro"`:                        false,
		`metadata.plan != "pro"`:                        false,
		`!(metadata.plan == "pro")`:                     false,
		`metadata.a.b.c == "deep"`:                      false,
		`metadata.plan == "pro" || event_name == "x"`:   true,
		`has(metadata.plan) && metadata.plan == "pro"`:  false,
		`!has(metadata.plan) || metadata.plan == "pro"`: true,
		`metadata["plan"] == "pro"`:                     false,
		`has(metadata.a.b)`:                             false,
		`metadata.tags.exists(t, t == "a")`:             false,
		`event_name in metadata.names`:                  false,
		`"a" in metadata`:                               false,
	} {
		m := compile(t, expression)
		m.Failed = func(f rule.Failure) { t.Errorf("%s failed: %s; an absent member is no failure", expression, f) }
		if got := m.Matches(bare); got != want {
			t.Errorf("%s: %v, want %v", expression, got, want)
		}
	}
	for _, expression := range []string{`metadata.plan.name == "x"`, `metadata.tags[7] == "x"`, `metadata.a.text.more == 1`} {
		m := compile(t, expression)
		m.Failed = func(f rule.Failure) { t.Errorf("%s failed: %s; a member of a text is absent", expression, f) }
		if m.Matches(login()) {
			t.Errorf("%s matches", expression)
		}
	}
}

func TestAnEvaluationThatFailsIsNoMatchAndIsReported(t *testing.T) {
	many := login()
	many.Event.Metadata = []byte(`{"text":"` + strings.Repeat("x", 5000) + `","list":[1` + strings.Repeat(",1", 5000) + `]}`)
	for _, test := range []struct {
		expression string
		record     *store.Record
		want       rule.Failure
	}{
		{`metadata.plan > 5`, login(), rule.WrongType},
		{`metadata.plan && true`, login(), rule.WrongType},
		{`metadata.n.startsWith("5")`, login(), rule.WrongType},
		{`int(metadata.plan) == 5`, login(), rule.WrongType},
		{`metadata.n / 0 == 1`, login(), rule.WrongType},
		{`metadata.list.all(a, metadata.list.all(b, a == b))`, many, rule.TooCostly},
		{`metadata.list.all(a, size(metadata.text + metadata.text) > a)`, many, rule.TooCostly},
		{`metadata.list.all(a, metadata != {"a": a})`, many, rule.TooCostly},
	} {
		m := compile(t, test.expression)
		if m.Matches(test.record) {
			t.Errorf("%s matches", test.expression)
		}
		var failures []rule.Failure
		m.Failed = func(f rule.Failure) { failures = append(failures, f) }
		m.Matches(test.record)
		if len(failures) != 1 || failures[0] != test.want {
			t.Errorf("%s: failures %v, want %s once", test.expression, failures, test.want)
		}
	}
}

func TestMetadataThatCannotBeReadHasNoMembers(t *testing.T) {
	for _, text := range []string{`{`, `{"plan":"pro"`, `{"plan":"pro",`, `[{"plan":"pro"}]`, `"plan"`, `{"plan":"pro"}}`, "{\"plan\":\"\xff\"}", `{"a":1,"plan":x}`} {
		r := login()
		r.Event.Metadata = []byte(text)
		got := compile(t, `metadata.plan == "pro"`).Matches(r)
		if want := text == `{"plan":"pro"}}`; got != want { // what follows the object is not looked at
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestAMistakeIsNamedWithItsPlace(t *testing.T) {
	for expression, want := range map[string]string{
		``:                              `the expression is empty; leave it out to match every event`,
		" \n":                           `the expression is empty; leave it out to match every event`,
		`event_neam == "x"`:             `column 1: there is no event_neam; did you mean event_name?`,
		"true &&\n  evnt_type == \"x\"": `line 2, column 3: there is no evnt_type; did you mean event_type?`,
		`metdata.plan == "x"`:           `column 1: there is no metdata; did you mean metadata?`,
		`plan == "pro"`:                 `column 1: there is no plan; a member of the metadata is metadata.plan, and the others are event_id, event_name, event_type, actor_id, event_ts, ingested_at, caller, protocol, instance, metadata, sample_rate`,
		`event_name.startWith("x")`:     `column 21: there is no function startWith; did you mean startsWith?`,
		`event_name.frobnicate("x")`:    `column 22: there is no function frobnicate`,
		`event_name`:                    `column 1: this is a string, and must be true or false: compare it, as in event_name == "login"`,
		`metadata.vip`:                  `column 9: this can be anything, and must be true or false: compare it, as in metadata.vip == true`,
		`event_name.matches(actor_id)`:  `column 20: the pattern of matches must be a text in quotes`,
		`matches(event_name, actor_id)`: `column 21: the pattern of matches must be a text in quotes`,
		`event_name.matches("a(")`:      "column 20: error parsing regexp: missing closing ): `a(`",
		`event_name == 5`:               `column 12: found no matching overload for '_==_' applied to '(string, int)'`,
	} {
		_, err := rule.Compile(expression)
		e, ok := errors.AsType[*daybook.Error](err)
		if !ok || e.Code != daybook.Invalid || e.Reason != "bad_rule" {
			t.Errorf("%q: %v", expression, err)
			continue
		}
		if err.Error() != want {
			t.Errorf("%q:\n got %s\nwant %s", expression, err, want)
		}
	}
	for _, expression := range []string{`event_name == "x`, `a b`, `event_name.matches("(")`, `(((`, `event_name == 'x' &&`, strings.Repeat("!", 20000) + "true", strings.Repeat("(", 1000) + "true" + strings.Repeat(")", 1000)} {
		if _, err := rule.Compile(expression); daybook.CodeOf(err) != daybook.Invalid {
			t.Errorf("%.40s: %v", expression, err)
		} else {
			t.Logf("%.40s: %v", expression, err)
		}
	}
}

func TestAMatchIsForManyAtATime(t *testing.T) {
	m := compile(t, `metadata.plan == "pro" && metadata.list.exists(e, e.k == 2)`)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				if !m.Matches(login()) || m.Matches(&store.Record{}) {
					t.Error("wrong answer")
				}
			}
		})
	}
	all.Wait()
}
