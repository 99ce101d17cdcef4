package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
)

func newStore(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Look into a data directory",
		Long: "Look into a data directory without a gateway. These commands only read; the directory may\n" +
			"belong to a gateway that runs, to one that is stopped, or be a copy.",
		Example: "  daybook store stat\n  daybook store verify --data /var/lib/daybook\n  daybook store dump --data ./copy",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newStoreStat(a), newStoreVerify(a), newStoreDump(a))
	return cmd
}

func newStoreStat(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "stat",
		Short: "Say what the directory holds",
		Long: "Say what the directory holds: records by kind, chunks, bytes, and from when to when.\n\n" +
			"With -o json one object: {\"data\",\"store\",\"epoch\",\"chunks\",\"bytes\",\"records\",\"first\",\"last\",\n" +
			"\"oldest\",\"newest\",\"damaged_records\",\"unfinished_bytes\"}.",
		Example: "  daybook store stat --data ./daybook-data",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, _, err := a.config()
			if err != nil {
				return err
			}
			report, err := journal.Inspect(c.Data)
			if err != nil {
				return err
			}
			return a.printReport(c.Data, report, false)
		},
	}
}

func newStoreVerify(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Read everything and name what is damaged",
		Long: "Read every record and key file and name what is not as it was written. Exit status 1 means\n" +
			"that something is. An unfinished write at the end is no damage: a gateway was killed there,\n" +
			"and nobody was told yes for it.\n\n" +
			"With -o json one object {\"damage\":{\"file\",\"offset\",\"sequence\",\"what\"}} per damage, and then\n" +
			"what `daybook store stat` prints.",
		Example: "  daybook store verify --data ./daybook-data",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.storeVerify() },
	}
}

func (a *app) storeVerify() error {
	c, _, err := a.config()
	if err != nil {
		return err
	}
	var found []journal.Damage
	report, err := journal.Verify(c.Data, func(d journal.Damage) { found = append(found, d) })
	if err != nil {
		return err
	}
	for _, d := range found {
		if err := a.printDamage(d); err != nil {
			return err
		}
	}
	if err := a.printReport(c.Data, report, len(found) == 0); err != nil {
		return err
	}
	if len(found) > 0 {
		return errReported
	}
	return nil
}

func (a *app) printDamage(d journal.Damage) error {
	if !a.json() {
		_, err := fmt.Fprintf(a.stdout, "DAMAGED  %s\n", printable(d.String()))
		return err
	}
	return printJSON(a.stdout, struct {
		Damage damageRow `json:"damage"`
	}{damageRow{File: d.File, Offset: d.Offset, Sequence: d.Sequence, What: d.What}})
}

type damageRow struct {
	File     string `json:"file"`
	Offset   int64  `json:"offset"`
	Sequence uint64 `json:"sequence,omitzero"`
	What     string `json:"what"`
}

// kinds are the records' kinds in the order they are listed.
var kinds = [...]store.Kind{store.KindEvent, store.KindRefused, store.KindSettled, store.KindSummary}

// printReport prints what a directory holds; clean says that all of it was
// verified.
func (a *app) printReport(data string, r journal.Report, clean bool) error {
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
	if r.Last > 0 {
		row("positions", "%d to %d", r.First, r.Last)
		row("received", "%s to %s", r.Oldest.UTC().Format(time.RFC3339), r.Newest.UTC().Format(time.RFC3339))
	}
	if r.Damaged > 0 {
		row("damaged", "%d records", r.Damaged)
	}
	if r.Unfinished > 0 {
		row("unfinished", "%d bytes at the end, which nobody was told yes for", r.Unfinished)
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
	Damaged    uint64            `json:"damaged_records"`
	Unfinished int64             `json:"unfinished_bytes"`
}

func reportRowOf(data string, r journal.Report) reportRow {
	row := reportRow{
		Data: data, Store: r.Store, Epoch: r.Epoch, Chunks: r.Chunks, Bytes: r.Bytes, Records: map[string]uint64{},
		First: r.First, Last: r.Last, Damaged: r.Damaged, Unfinished: r.Unfinished,
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

// printJSON writes v on one line.
func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
