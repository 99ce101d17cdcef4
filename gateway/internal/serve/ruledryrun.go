package serve

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
)

// A DryRun is what the rules of a configuration would make of the events that the
// journal has.
type DryRun struct {
	Since    time.Time
	All      RuleCount
	Redacted uint64      // events of which redact would change something
	Rules    []RuleCount // in the order of the configuration; Name "" = no rule matched
	Names    []RuleCount // by name of the event, the most frequent first
}

// A RuleCount is what becomes of some events.
type RuleCount struct {
	Name        string // of the rule, or of the events
	Events      uint64
	Stored      uint64
	Dropped     uint64
	Refused     uint64
	Quarantined uint64
}

// maxNames bounds the names of events that are counted by themselves.
const maxNames = 10_000

// otherNames are all beyond them.
const otherNames = "(other)"

// RunDry asks the rules about the events that were received since then. It only
// reads, also from the journal of a gateway that runs. Events that were dropped or
// refused when they were received are not there to be asked about.
func RunDry(c Config, from Origins, since time.Time) (DryRun, error) {
	c = c.withDefaults()
	rules, problems := compileRules(c, from, watch{})
	if len(problems) > 0 {
		return DryRun{}, errors.Join(problems...)
	}
	d := dryRun{rules: rules, byRule: map[string]*RuleCount{}, byName: map[string]*RuleCount{}}
	err := journal.DumpSince(c.Data, since, func(e store.Entry) error {
		if e.Kind == store.KindEvent {
			d.take(&e.Record)
		}
		return nil
	})
	return d.report(since), err
}

// A dryRun is one under way.
type dryRun struct {
	rules    *admit.Rules
	all      RuleCount
	redacted uint64
	byRule   map[string]*RuleCount
	byName   map[string]*RuleCount
}

func (d *dryRun) take(r *store.Record) {
	before, actor := r.Event.Metadata, r.Event.Actor
	d.rules.Redactor.Redact(&r.Event)
	if r.Event.Actor != actor || !bytes.Equal(r.Event.Metadata, before) {
		d.redacted++
	}
	decision := d.rules.Decide(r)
	name := r.Event.Name
	if _, known := d.byName[name]; !known && len(d.byName) >= maxNames {
		name = otherNames
	}
	for _, count := range []*RuleCount{&d.all, counted(d.byRule, decision.Rule), counted(d.byName, name)} {
		count.add(decision)
	}
}

func counted(by map[string]*RuleCount, name string) *RuleCount {
	c := by[name]
	if c == nil {
		c = &RuleCount{Name: name}
		by[name] = c
	}
	return c
}

func (c *RuleCount) add(d admit.Decision) {
	c.Events++
	switch {
	case d.Quarantine:
		c.Quarantined++
	case d.Refusal != nil:
		c.Refused++
	case d.Reason != "":
		c.Dropped++
	default:
		c.Stored++
	}
}

func (d *dryRun) report(since time.Time) DryRun {
	report := DryRun{Since: since, All: d.all, Redacted: d.redacted}
	order := []string{admit.KillRule}
	for i := range d.rules.List {
		order = append(order, d.rules.List[i].Name)
		counted(d.byRule, d.rules.List[i].Name) // also one that matches nothing: that is worth knowing
	}
	for _, name := range append(order, "") {
		if count := d.byRule[name]; count != nil {
			report.Rules = append(report.Rules, *count)
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(d.byName), func(a, b string) int {
		return cmp.Or(-cmp.Compare(d.byName[a].Events, d.byName[b].Events), cmp.Compare(a, b))
	}) {
		report.Names = append(report.Names, *d.byName[name])
	}
	return report
}
