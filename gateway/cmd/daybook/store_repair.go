package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/store/evidence"
	"daybook.dev/gateway/internal/store/journal"
)

func newStoreRepair(a *app) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "repair --to NEWDIR",
		Short: "Write a copy with everything that is whole",
		Long: "Read the data directory and write every whole record, with the position it has, to NEWDIR, a\n" +
			"new data directory that a gateway can start in. What is damaged is named and left out; the copy\n" +
			"states which positions are missing, so it verifies clean. The source is only read. Tamper\n" +
			"evidence is copied; keys and tokens are not.\n\n" +
			"Stop the gateway first: what it stores after the copy was made is not in it. Positions that it\n" +
			"gives meanwhile are not confused with the copy's, which begins the next epoch.\n\n" +
			"With -o json one object {\"damage\":{…}} per damage, as `daybook store verify` prints, and then\n" +
			"{\"left_out_records\":N, …} with what `daybook store stat` prints about the copy.",
		Example: "  daybook store repair --data ./daybook-data --to ./repaired\n" +
			"  daybook serve --data ./repaired",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.storeRepair(to) },
	}
	a.targetFlag(cmd, &to)
	return cmd
}

// targetFlag declares --to, without which nothing can be copied.
func (a *app) targetFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "to", "", "`NEWDIR` to write to")
	if err := cmd.MarkFlagRequired("to"); err != nil {
		panic(err) // the flag is declared on the line before
	}
}

func (a *app) storeRepair(to string) error {
	c, err := a.place()
	if err != nil {
		return err
	}
	tree, covered, treeErr := evidence.Take(c.Data)
	damaged := damageList{app: a}
	source, repaired, err := journal.Repair(c.Data, to, journal.CopyOptions{Found: damaged.add, Progress: a.progress("repaired")})
	if err := cmp.Or(err, damaged.err); err != nil {
		return err
	}
	if covered {
		treeErr = tree.CopyTo(to)
	}
	err = a.printCopy(to, repaired, struct {
		LeftOut uint64 `json:"left_out_records"`
		reportRow
	}{source.Damaged, reportRowOf(to, repaired)})
	if err == nil && treeErr != nil {
		err = fmt.Errorf("the copy is good, but without its tamper evidence: %w", treeErr)
	}
	return err
}

// printCopy prints what a copy holds; as JSON it is row.
func (a *app) printCopy(to string, r journal.Report, row any) error {
	if a.json() {
		return printJSON(a.stdout, row)
	}
	return a.printReport(to, r, true)
}

// progress returns a function that shows on a terminal how much is done. It
// overwrites its own line.
func (a *app) progress(verb string) func(done, total int64) {
	shown := int64(-1)
	return func(done, total int64) {
		if !a.stderrIsTerminal || total <= 0 {
			return
		}
		percent := done * 100 / total
		if percent == shown {
			return
		}
		shown = percent
		fmt.Fprintf(a.stderr, "\r%s %d %%", verb, percent)
		if done == total {
			fmt.Fprintln(a.stderr)
		}
	}
}
