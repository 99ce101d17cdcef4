package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
)

// kinds are the records' kinds in the order they are listed.
var kinds = [...]store.Kind{store.KindEvent, store.KindRefused, store.KindSettled, store.KindSummary}

// printReport prints what a directory holds; clean says that all of it was
// verified, and more are rows for people that follow.
func (a *app) printReport(data string, r journal.Report, clean bool, more ...[2]string) error {
	if a.json() {
		return printJSON(a.stdout, reportRowOf(data, r))
	}
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	row := func(name, format string, values ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", values...) }
	row("data", "%s", data)
	row("store", "%s, epoch %d", r.Store, r.Epoch)
	row("chunks", "%d, %d bytes", r.Chunks, r.Bytes)
	for _, k := range kinds {
		if n := r.Records[k]; n > 0 || k == store.KindEvent {
			row(k.String()+"s", "%d", n)
		}
	}
	row("stored", "%d events since the journal began", r.Stored)
	if r.Last > 0 {
		row("positions", "%d to %d", r.First, r.Last)
		row("received", "%s to %s", r.Oldest.UTC().Format(time.RFC3339), r.Newest.UTC().Format(time.RFC3339))
	}
	if len(r.Gaps) > 0 {
		row("missing", "%s", gapsText(r.Gaps))
	}
	if r.Damaged > 0 {
		row("damaged", "%d records", r.Damaged)
	}
	if r.Unfinished > 0 {
		row("unfinished", "%d bytes at the end, which nobody was told yes for", r.Unfinished)
	}
	for _, m := range more {
		row(m[0], "%s", m[1])
	}
	if clean {
		row("verdict", "clean")
	}
	return t.Flush()
}

// reportRow is a report as JSON.
type reportRow struct {
	Data       string            `json:"data"`
	Store      string            `json:"store"`
	Epoch      uint64            `json:"epoch"`
	Chunks     int               `json:"chunks"`
	Bytes      int64             `json:"bytes"`
	Records    map[string]uint64 `json:"records"`
	First      store.Position    `json:"first"`
	Last       store.Position    `json:"last"`
	Oldest     *time.Time        `json:"oldest"`
	Newest     *time.Time        `json:"newest"`
	Missing    uint64            `json:"missing_records"`
	Gaps       []gapRow          `json:"gaps,omitempty"`
	Stored     uint64            `json:"stored_events"`
	Damaged    uint64            `json:"damaged_records"`
	Unfinished int64             `json:"unfinished_bytes"`
}

func reportRowOf(data string, r journal.Report) reportRow {
	row := reportRow{
		Data: data, Store: r.Store, Epoch: r.Epoch, Chunks: r.Chunks, Bytes: r.Bytes, Records: map[string]uint64{},
		First: r.First, Last: r.Last, Stored: r.Stored, Damaged: r.Damaged, Unfinished: r.Unfinished,
	}
	for _, g := range r.Gaps {
		row.Missing += g.Records()
		row.Gaps = append(row.Gaps, gapRow(g))
	}
	for _, k := range kinds {
		row.Records[k.String()] = r.Records[k]
	}
	if r.Last > 0 {
		oldest, newest := r.Oldest.UTC(), r.Newest.UTC()
		row.Oldest, row.Newest = &oldest, &newest
	}
	return row
}

// A gapRow is a run of positions that are missing for a reason the journal
// states.
type gapRow struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// gapsText says which positions are missing: "3 records: 5, 7 to 8".
func gapsText(gaps []journal.Gap) string {
	const most = 20 // the JSON form has all
	var records uint64
	var runs []string
	for i, g := range gaps {
		records += g.Records()
		switch {
		case i > most:
		case i == most:
			runs = append(runs, "…")
		case g.First == g.Last:
			runs = append(runs, strconv.FormatUint(g.First, 10))
		default:
			runs = append(runs, fmt.Sprintf("%d to %d", g.First, g.Last))
		}
	}
	return fmt.Sprintf("%d records, left out by a repair or lost with a chunk's header: %s", records, strings.Join(runs, ", "))
}
