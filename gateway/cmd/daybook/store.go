package main

import (
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/store/journal"
)

func newStore(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Look into a data directory, copy it, repair it",
		Long: "Look into a data directory without a gateway. These commands only read it: it may belong to\n" +
			"a gateway that runs, to one that is stopped, or be a copy. Repair and backup write elsewhere.",
		Example: "  daybook store stat\n  daybook store verify --data /var/lib/daybook\n  daybook store dump --data ./copy",
		Args:    noSuchCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(newStoreStat(a), newStoreVerify(a), newStoreDump(a), newStoreRepair(a), newStoreBackup(a), newStoreUpgrade(a), newStoreKey(a))
	return cmd
}

func newStoreStat(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "stat",
		Short: "Say what the directory holds",
		Long: "Say what the directory holds: records by kind, chunks, bytes, from when to when, and for how many days\n" +
			"there is room at the rate of the events kept.\n\n" +
			"With -o json one object: {\"data\",\"store\",\"epoch\",\"chunks\",\"bytes\",\"records\",\"first\",\"last\",\n" +
			"\"oldest\",\"newest\",\"missing_records\",\"gaps\",\"stored_events\",\"damaged_records\",\n" +
			"\"unfinished_bytes\",\"bytes_per_day\",\"days_left\",\"holds_days\"}; the last three are null\n" +
			"when they are not known, days_left also when events go by age before the room is used. stored_events are\n" +
			"those since the journal began, kept or not, damaged or not.",
		Example: "  daybook store stat --data ./daybook-data",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.place()
			if err != nil {
				return err
			}
			report, err := journal.Inspect(c.Data)
			if err != nil {
				return err
			}
			return a.printStat(c, report)
		},
	}
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

// printJSON writes v on one line.
func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
