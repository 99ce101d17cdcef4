package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"daybook.dev/gateway/internal/serve"
)

// dryRun prints what the rules would make of the events of the journal.
func (a *app) dryRun(c serve.Config, from serve.Origins, against string, top int) error {
	var since time.Time // of the oldest event that is kept
	if against != startWord {
		var err error
		if since, err = time.Parse(time.RFC3339Nano, against); err != nil {
			return err
		}
	}
	run, damage := serve.RunDry(c, from, since)
	if damage != nil && run.All.Events == 0 {
		return damage
	}
	names := run.Names[:min(top, len(run.Names))]
	show := printDryRun
	if a.json() {
		show = printDryRunJSON
	}
	return errors.Join(show(a.stdout, run, names), damage)
}

// startWord means the oldest event that is kept.
const startWord = "start"

// A dryRunRow is one line of a dry run for machines.
type dryRunRow struct {
	Of          string     `json:"of"` // all, rule or event_name
	Rule        *string    `json:"rule,omitempty"`
	EventName   *string    `json:"event_name,omitempty"`
	Since       *time.Time `json:"since,omitempty"`
	Events      uint64     `json:"events"`
	Stored      uint64     `json:"stored"`
	Dropped     uint64     `json:"dropped"`
	Refused     uint64     `json:"refused"`
	Quarantined uint64     `json:"quarantined"`
	Redacted    *uint64    `json:"redacted,omitempty"`
}

func dryRunRowOf(of string, c serve.RuleCount) dryRunRow {
	return dryRunRow{Of: of, Events: c.Events, Stored: c.Stored, Dropped: c.Dropped, Refused: c.Refused, Quarantined: c.Quarantined}
}

func printDryRunJSON(w io.Writer, run serve.DryRun, events []serve.RuleCount) error {
	lines := json.NewEncoder(w)
	all := dryRunRowOf("all", run.All)
	all.Redacted = &run.Redacted
	if !run.Since.IsZero() {
		all.Since = &run.Since
	}
	rows := []dryRunRow{all}
	for i := range run.Rules {
		row := dryRunRowOf("rule", run.Rules[i])
		row.Rule = &run.Rules[i].Name
		rows = append(rows, row)
	}
	for i := range events {
		row := dryRunRowOf("event_name", events[i])
		row.EventName = &events[i].Name
		rows = append(rows, row)
	}
	for _, row := range rows {
		if err := lines.Encode(row); err != nil {
			return err
		}
	}
	return nil
}

func printDryRun(w io.Writer, run serve.DryRun, events []serve.RuleCount) error {
	since := "the oldest that is kept"
	if !run.Since.IsZero() {
		since = run.Since.UTC().Format(time.RFC3339)
	}
	fmt.Fprintf(w, "%d events received since %s: %d would be stored, %d dropped, %d refused, %d quarantined; redact would change %d\n\n",
		run.All.Events, since, run.All.Stored, run.All.Dropped, run.All.Refused, run.All.Quarantined, run.Redacted)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	table := func(title string, counts []serve.RuleCount) {
		fmt.Fprintf(t, "%s\tEVENTS\tSTORED\tDROPPED\tREFUSED\tQUARANTINED\n", title)
		for _, c := range counts {
			name := c.Name
			if name == "" {
				name = "(none)"
			}
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\n", printable(name), c.Events, c.Stored, c.Dropped, c.Refused, c.Quarantined)
		}
	}
	table("RULE", run.Rules)
	fmt.Fprintln(t)
	table("EVENT", events)
	return t.Flush()
}
