package serve_test

import (
	"io/fs"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/serve"
)

// filesOf reads the files of a map.
func filesOf(files map[string]string) func(string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
}

// tested runs the tests of a file against rules, and returns its findings.
func tested(t *testing.T, rules, tests string) []serve.Finding {
	t.Helper()
	read := filesOf(map[string]string{
		serve.DefaultFile: rules, "tests.yaml": tests, "schemas/order.json": `{"type":"object","required":["id"]}`,
	})
	c, from, err := serve.Load(serve.Inputs{
		ReadFile: read, Flags: map[string]string{"rules_tests": "tests.yaml"},
		Env: func(name string) (string, bool) { return "canary-of-the-hash-key", name == "HASH_KEY" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return serve.CheckRules(c, from, read)
}

func TestTheRulesOfTheDocumentPassTheTestsOfTheDocument(t *testing.T) {
	var yaml []string
	for _, s := range snippetsOf(t, "docs/rules.md") {
		if s.language == "yaml" {
			yaml = append(yaml, s.text)
		}
	}
	if len(yaml) != 2 {
		t.Fatalf("docs/rules.md has %d snippets of YAML, want the rules and their tests", len(yaml))
	}
	findings := tested(t, yaml[0]+"destinations: {hook: {type: webhook, url: 'https://hook.example/in'}}\n", yaml[1])
	if len(findings) != 3 {
		t.Errorf("%d findings", len(findings))
	}
	for _, f := range findings {
		if !f.OK {
			t.Error(f.Detail)
		}
	}
}

func TestATestFailsWhereAnythingIsNotAsExpected(t *testing.T) {
	const rules = `
redact: [{field: metadata.email, with: mask}, {field: actor_id, with: hash, key: canary-of-the-hash-key}]
rules:
  - {name: noise, match: 'event_type == "metric"', drop: true}
  - {name: some, match: 'event_name == "page"', sample: 0.5}
  - {name: old, match: 'event_name == "v1"', refuse: send v2}
  - {name: odd, match: 'metadata.n > 5', drop: true}
`
	given := func(event, expect string) string {
		return "- {name: x, given: {" + event + "}, expect: {" + expect + "}}\n"
	}
	for name, c := range map[string]struct{ test, want string }{
		"stored":                {given(`event_name: a`, `status: stored, rule: ""`), ""},
		"another status":        {given(`event_name: a, event_type: metric`, `status: stored`), "x: dropped (dropped_by_rule) by noise; expected stored"},
		"another rule":          {given(`event_name: a`, `status: stored, rule: noise`), `x: stored; expected rule "noise", not ""`},
		"another reason":        {given(`event_name: v1`, `status: refused, reason: blank_name`), `x: refused (refused_by_rule) by old; expected reason "blank_name", not "refused_by_rule"`},
		"a limit":               {given(`event_name: " "`, `status: refused, reason: blank_name, field: event_name`), ""},
		"another field":         {given(`event_name: " "`, `status: refused, field: event_id`), `x: refused (blank_name); expected field "event_id", not "event_name"`},
		"an actor":              {given(`event_name: a, actor_id: ann`, `status: stored, actor_id: <any>`), ""},
		"no actor":              {given(`event_name: a`, `status: stored, actor_id: <any>`), `x: stored; expected actor_id "<any>", not ""`},
		"a rate":                {given(`event_name: page, event_id: "2", sample_rate: 0.5`, `status: stored, sample_rate: 0.25`), ""},
		"another rate":          {given(`event_name: a`, `status: stored, sample_rate: 0.5`), "x: stored; expected sample_rate 0.5, not 1"},
		"another metadata":      {given(`event_name: a, metadata: {email: x, n: [1, {b: 2}]}`, `status: stored, metadata: {email: "***", n: [1, {b: 3}]}`), `x: stored; expected metadata {"email":"***","n":[1,{"b":3}]}, not {"email":"***","n":[1,{"b":2}]}`},
		"no metadata":           {given(`event_name: a`, `status: stored, metadata: {}`), ""},
		"less metadata":         {given(`event_name: a`, `status: stored, metadata: {a: 1}`), `x: stored; expected metadata {"a":1}, not none`},
		"what is undecided":     {given(`event_name: a, metadata: {n: many}`, `status: stored`), "x: stored; no match, because it could not be decided: odd (wrong_type)"},
		"metadata in a text":    {given(`event_name: a, metadata: '{"n":6}'`, `status: dropped, rule: odd`), ""},
		"no object in a text":   {given(`event_name: a, metadata: '[6]'`, `status: dropped`), "x: given: metadata is no JSON object"},
		"no status":             {given(`event_name: a`, `rule: noise`), `tests.yaml: test 1: x: expect.status is "", and must be one of: stored, dropped, refused, quarantined`},
		"a misspelt member":     {given(`event_nam: a`, `status: stored`), `tests.yaml: test 1: unknown field "event_nam"`},
		"no name":               {"- {given: {event_name: a}, expect: {status: stored}}\n", "tests.yaml: test 1: name is missing"},
		"no list":               {"name: x\n", "tests.yaml:1:5: "},
		"nothing":               {"", "tests.yaml: holds no tests: it must be a list with name, given and expect"},
		"what is no YAML":       {"- {", "tests.yaml:1:3: "},
		"a time, and a key too": {given(`event_name: a, event_ts: 2026-01-31T12:00:00Z, idempotency_key: k`, `status: stored`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			findings := tested(t, rules, c.test)
			if len(findings) != 1 {
				t.Fatalf("findings %+v", findings)
			}
			f := findings[0]
			failed := c.want != "" && !strings.Contains(c.want, "could not be decided")
			if f.OK == failed || !strings.HasPrefix(f.Detail, c.want) {
				t.Errorf("ok is %v: %s\nwant %s", f.OK, f.Detail, c.want)
			}
			if strings.Contains(f.Detail, "canary") {
				t.Errorf("the key is in %s", f.Detail)
			}
		})
	}
}

func TestRulesThatCannotBeUsedAreNotTested(t *testing.T) {
	findings := tested(t, "rules: [{match: 'event_nam', drop: true}]\n", "- {name: x, given: {event_name: a}, expect: {status: stored}}\n")
	if len(findings) != 1 || findings[0].OK || findings[0].Detail != "nothing was tested: the rules cannot be used" {
		t.Errorf("%+v", findings)
	}
}
