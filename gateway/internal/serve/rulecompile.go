package serve

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/nearest"
	"daybook.dev/gateway/internal/rule"
	"daybook.dev/gateway/internal/schema"
)

// maxRules bounds the list: each event is asked about by each until one matches,
// and each is a label of metrics.
const maxRules = 200

// A watch is told what rules do. The zero value tells nobody.
type watch struct {
	decided func(rule string) func(reason string)
	failed  func(rule string) func(rule.Failure)
}

// compileRules makes of a configuration what admit takes: nil where there are
// neither redactions nor rules. The errors name the keys at fault.
func compileRules(c Config, from Origins, w watch) (*admit.Rules, []error) {
	rules := &admit.Rules{Kill: admit.Kill{Events: c.Kill.Events.set(), Callers: c.Kill.Callers.set()}}
	var problems []error
	rules.Redactor, problems = compileRedact(c, from)
	schemas, more := compileSchemas(c, from)
	problems = append(problems, more...)
	if len(c.Rules) > maxRules {
		problems = append(problems, fmt.Errorf("%s: there are %d, the most are %d", rulesKey, len(c.Rules), maxRules))
	}
	names := map[string]bool{admit.KillRule: true}
	matches := make([]*rule.Match, len(c.Rules))
	for i := range c.Rules {
		one, key, err := compileRule(&c.Rules[i], i, schemas, w)
		if err == nil {
			matches[i], key, err = compileMatch(&c.Rules[i], one.Name, w)
		}
		if err == nil && names[one.Name] {
			key, err = "name", fmt.Errorf("there are two rules of the name %s", one.Name)
		}
		if err != nil {
			problems = append(problems, placedItem(err, from, rulesKey, i, key))
		}
		names[one.Name] = true
		rules.List = append(rules.List, one)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if len(matches) > 0 {
		rules.First = rule.First(matches)
	}
	return rules, nil
}

// compileMatch makes the expression of a rule, nil where there is none. An error
// comes with the key that it is about.
func compileMatch(r *Rule, name string, w watch) (*rule.Match, string, error) {
	if r.Match == "" {
		return nil, "", nil
	}
	match, err := rule.Compile(r.Match)
	if err != nil {
		return nil, "match", err
	}
	if w.failed != nil {
		match.Failed = w.failed(name)
	}
	return match, "", nil
}

func compileRedact(c Config, from Origins) (*admit.Redactor, []error) {
	var problems []error
	redactions := make([]admit.Redaction, len(c.Redact))
	for i, r := range c.Redact {
		redactions[i] = admit.Redaction{Field: r.Field, With: admit.With(r.With), Key: []byte(r.Key)}
		// One by one too, so that each mistake has its place.
		if _, err := admit.NewRedactor(redactions[i : i+1]); err != nil {
			problems = append(problems, placedItem(err, from, redactKey, i, fieldOf(err)))
		} else if j := slices.IndexFunc(c.Redact[:i], func(o Redaction) bool { return o.Field == r.Field }); j >= 0 {
			problems = append(problems, placedItem(fmt.Errorf("%s is redacted by %s.%d already", r.Field, redactKey, j+1), from, redactKey, i, "field"))
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	redactor, err := admit.NewRedactor(redactions)
	if err != nil {
		return nil, []error{fmt.Errorf("%s: %w", redactKey, err)}
	}
	return redactor, nil
}

// fieldOf is the key that an error is about.
func fieldOf(err error) string {
	if e, ok := errors.AsType[*daybook.Error](err); ok {
		return e.Field
	}
	return ""
}

func compileSchemas(c Config, from Origins) (map[string]*schema.Schema, []error) {
	texts := make(map[string][]byte, len(c.Schemas))
	for _, s := range c.Schemas {
		if _, twice := texts[s.Name]; twice {
			return nil, []error{fmt.Errorf("%s.%s: stands there twice", schemasKey, s.Name)}
		}
		texts[s.Name] = s.Text
	}
	schemas, err := schema.Compile(texts)
	if err == nil {
		return schemas, nil
	}
	key := schemasKey
	if name := fieldOf(err); name != "" {
		key += "." + name
	}
	if at := from[key]; at != "" {
		return nil, []error{fmt.Errorf("%s: %s: %w", at, key, err)}
	}
	return nil, []error{fmt.Errorf("%s: %w", key, err)}
}

// compileRule makes one rule. An error comes with the key that it is about.
func compileRule(r *Rule, index int, schemas map[string]*schema.Schema, w watch) (one admit.Rule, key string, err error) {
	one = admit.Rule{
		Name: r.Name, Drop: r.Drop, Refuse: r.Refuse + r.Quarantine, Sample: float64(r.Sample),
		Quarantine: r.Quarantine != "" || r.OnMismatch == "quarantine",
	}
	if one.Name == "" {
		one.Name = "rule-" + strconv.Itoa(index+1)
	}
	if !destinationName.MatchString(one.Name) {
		return one, "name", fmt.Errorf("%q: a rule's name has small letters, digits, - and _, and begins with a letter", r.Name)
	}
	if err := r.decides(); err != nil {
		return one, "", err
	}
	if r.By == "actor_id" {
		one.By = admit.ByActor
	}
	if r.Schema != "" {
		s, ok := schemas[r.Schema]
		if !ok && schemas != nil {
			return one, "schema", noSchema(r.Schema, schemas)
		}
		one.Schema = s.Check
	}
	if w.decided != nil {
		one.Decided = w.decided(one.Name)
	}
	return one, "", nil
}

// decides refuses a rule that says nothing, or two things at once.
func (r *Rule) decides() error {
	var said []string
	for word, is := range map[string]bool{
		"keep": r.Keep, "drop": r.Drop, "refuse": r.Refuse != "", "quarantine": r.Quarantine != "", "schema": r.Schema != "",
		"sample": r.Sample != 0 && r.Schema == "", // what fits a schema may be sampled
	} {
		if is {
			said = append(said, word)
		}
	}
	slices.Sort(said)
	switch {
	case len(said) == 0:
		return errors.New("says nothing about the events that it matches: add keep: true, drop: true, sample, schema, refuse or quarantine")
	case len(said) > 1:
		return fmt.Errorf("says %s, and can say one of them", strings.Join(said, " and "))
	case r.OnMismatch == "quarantine" && r.Schema == "":
		return errors.New("on_mismatch is for rules with a schema")
	case r.By == "actor_id" && r.Sample == 0:
		return errors.New("by is for rules with sample")
	}
	return nil
}

func noSchema(name string, schemas map[string]*schema.Schema) error {
	if near := nearest.Name(name, maps.Keys(schemas)); near != "" {
		return fmt.Errorf("there is no schema %s; did you mean %s?", name, near)
	}
	return fmt.Errorf("there is no schema %s: add %s.%s", name, schemasKey, name)
}

// ruleProblems returns what is wrong with what is decided about events.
func ruleProblems(c Config, from Origins) []error {
	_, problems := compileRules(c, from, watch{})
	for _, name := range c.Kill.Destinations.items() {
		if err := killable(c, name); err != nil {
			problems = append(problems, fmt.Errorf("kill.destinations (%s): %w", from.Of("kill.destinations"), err))
		}
	}
	if c.CallersFile == "" {
		problems = append(problems, unknownCallers(c, from)...)
	}
	return append(problems, quarantineNeedsPlace(c)...)
}

// unknownCallers: a switch that is misspelt would switch nothing off. With a file of
// callers that is no reason not to start, nor to keep the callers of before: who was
// killed may have been revoked meanwhile.
func unknownCallers(c Config, from Origins) (problems []error) {
	names := c.callerNames()
	for _, name := range c.Kill.Callers.items() {
		if slices.Contains(names, name) {
			continue
		}
		hint := ""
		if near := nearest.Name(name, slices.Values(names)); near != "" {
			hint = "; did you mean " + near + "?"
		}
		problems = append(problems, fmt.Errorf("kill.callers (%s): there is no caller %s%s", from.Of("kill.callers"), name, hint))
	}
	return problems
}

// callerNames are those whose events there can be.
func (c Config) callerNames() []string {
	names := []string{caller.AnonymousName}
	all, _ := c.callers(nil) // what is wrong with them is said elsewhere
	for i := range all.Rows {
		names = append(names, all.Rows[i].Name)
	}
	return names
}

func killable(c Config, name string) error {
	switch name {
	case c.Store:
		return fmt.Errorf("%s is the store: name callers or events, or stop the gateway", name)
	case c.DeadLetters:
		return fmt.Errorf("%s gets the dead letters, which have no other place", name)
	}
	if _, ok := c.Destination(name); ok {
		return nil
	}
	var names []string
	for i := range c.Destinations {
		names = append(names, c.Destinations[i].Name)
	}
	if near := nearest.Name(name, slices.Values(names)); near != "" {
		return fmt.Errorf("there is no destination %s; did you mean %s?", name, near)
	}
	return fmt.Errorf("there is no destination %s", name)
}

// quarantineNeedsPlace: with a direct store the gateway itself keeps nothing.
func quarantineNeedsPlace(c Config) []error {
	if c.Store == journalStore || c.DeadLetters != "" {
		return nil
	}
	for i := range c.Rules {
		if r := &c.Rules[i]; r.Quarantine != "" || r.OnMismatch == "quarantine" {
			return []error{fmt.Errorf("%s.%d: quarantines events, and with store: %s nothing is kept here: name a destination for them with dead_letters", rulesKey, i+1, c.Store)}
		}
	}
	return nil
}
