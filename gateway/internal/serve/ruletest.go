package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/rule"
	"daybook.dev/gateway/internal/store"
)

// A ruleTest is one test as its file has it: given an event, what is expected to
// become of it. docs/rules.md describes it.
type ruleTest struct {
	Name   string        `json:"name"`
	Given  givenEvent    `json:"given"`
	Expect expectedEvent `json:"expect"`
}

// A givenEvent is an event as a row shows it.
type givenEvent struct {
	ID         string          `json:"event_id"`
	Name       string          `json:"event_name"`
	Type       string          `json:"event_type"`
	Actor      string          `json:"actor_id"`
	Time       time.Time       `json:"event_ts"`
	Key        string          `json:"idempotency_key"`
	SampleRate float64         `json:"sample_rate"`
	Metadata   json.RawMessage `json:"metadata"` // an object, or a text that holds one
	Caller     string          `json:"caller"`
	Protocol   string          `json:"protocol"`
}

// CheckRules runs the tests that rules_tests names, each a finding. readFile reads
// them. A configuration that cannot be used is the only finding, as Check says why.
func CheckRules(c Config, from Origins, readFile func(string) ([]byte, error)) []Finding {
	c = c.withDefaults()
	files := c.RulesTests.items()
	if len(files) == 0 {
		return []Finding{{"rules test", false, "there are no tests: name files with rules_tests (--rules-tests)"}}
	}
	t := ruleTester{admitter: &admit.Admitter{Limits: admit.Limits{EventBytes: int(c.Limits.Event)}}}
	rules, problems := compileRules(c, from, watch{failed: t.failed})
	if len(problems) > 0 {
		return []Finding{{"rules test", false, "nothing was tested: the rules cannot be used"}}
	}
	t.admitter.Rules.Store(rules)
	var findings []Finding
	for _, file := range files {
		tests, err := readRuleTests(file, readFile)
		if err != nil {
			findings = append(findings, Finding{"rules test", false, err.Error()})
			continue
		}
		for i := range tests {
			findings = append(findings, t.run(&tests[i]))
		}
	}
	return findings
}

// readRuleTests reads a file: a list of tests in YAML.
func readRuleTests(file string, readFile func(string) ([]byte, error)) ([]ruleTest, error) {
	text, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("rules_tests: %w", err)
	}
	var documents []map[string]any
	if err := yaml.Unmarshal(text, &documents); err != nil {
		return nil, syntaxError(file, err)
	}
	if len(documents) == 0 {
		return nil, fmt.Errorf("%s: holds no tests: it must be a list with name, given and expect", file)
	}
	tests := make([]ruleTest, len(documents))
	for i, document := range documents {
		if err := strictly(document, &tests[i]); err != nil {
			return nil, fmt.Errorf("%s: test %d: %w", file, i+1, err)
		}
		if err := tests[i].check(); err != nil {
			return nil, fmt.Errorf("%s: test %d: %w", file, i+1, err)
		}
	}
	return tests, nil
}

// strictly makes of what YAML says a struct that says nothing else.
func strictly(document map[string]any, into any) error {
	text, err := json.Marshal(document)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

func (t *ruleTest) check() error {
	if t.Name == "" {
		return fmt.Errorf("name is missing")
	}
	if slices.Contains(expectable, t.Expect.Status) {
		return nil
	}
	return fmt.Errorf("%s: expect.status is %q, and must be one of: %s", t.Name, t.Expect.Status, strings.Join(expectable, ", "))
}

// A ruleTester runs tests, one after the other.
type ruleTester struct {
	admitter  *admit.Admitter
	undecided []string // the rules that could not be decided in the test under way
}

func (t *ruleTester) failed(name string) func(rule.Failure) {
	return func(f rule.Failure) { t.undecided = append(t.undecided, fmt.Sprintf("%s (%s)", name, f)) }
}

// run runs one test.
func (t *ruleTester) run(test *ruleTest) Finding {
	t.undecided = nil
	submission, err := test.Given.submission()
	if err != nil {
		return Finding{"rules test", false, test.Name + ": given: " + err.Error()}
	}
	var r store.Record
	v := t.admitter.Admit(submission, test.Given.origin(), &r)
	wrong := test.Expect.differences(v, &r)
	detail := test.Name + ": " + became(v, &r)
	if len(wrong) > 0 {
		detail += "; expected " + strings.Join(wrong, ", ")
	}
	if len(t.undecided) > 0 {
		detail += "; no match, because it could not be decided: " + strings.Join(t.undecided, ", ")
	}
	return Finding{"rules test", len(wrong) == 0, detail}
}

func (g *givenEvent) submission() (admit.Submission, error) {
	metadata := []byte(g.Metadata)
	if len(metadata) > 0 && metadata[0] == '"' { // a text keeps numbers as they are written
		var text string
		if err := json.Unmarshal(metadata, &text); err != nil {
			return admit.Submission{}, err
		}
		metadata = []byte(text)
	}
	if len(metadata) > 0 && (!json.Valid(metadata) || bytes.TrimSpace(metadata)[0] != '{') {
		return admit.Submission{}, fmt.Errorf("metadata is no JSON object")
	}
	event := daybook.Event{
		ID: g.ID, Name: g.Name, Type: daybook.Type(g.Type), Actor: g.Actor, Time: g.Time,
		IdempotencyKey: g.Key, SampleRate: g.SampleRate, Metadata: metadata,
	}
	if event.ID == "" {
		event.ID = "test" // the same lot is drawn each time
	}
	return admit.Submission{Event: event, TimeGiven: !g.Time.IsZero()}, nil
}

func (g *givenEvent) origin() admit.Origin {
	o := admit.Origin{Caller: g.Caller, Protocol: g.Protocol, Instance: "test"}
	if o.Caller == "" {
		o.Caller = "anonymous"
	}
	if o.Protocol == "" {
		o.Protocol = "http"
	}
	return o
}
