package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/store/evidence"
	"daybook.dev/gateway/internal/store/journal"
)

func newStoreBackup(a *app) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "backup --to DIR",
		Short: "Copy the journal, also of a gateway that runs; restore it the same way",
		Long: "Copy everything that is synced to DIR and verify the copy. The gateway may run: it is not\n" +
			"stopped and not slowed down beyond the reading. Run again into the same DIR, only what is new\n" +
			"is copied; DIR keeps what the journal itself no longer does.\n\n" +
			"A backup is a data directory. To restore one, back it up to where the gateway is to start, or\n" +
			"copy it there with any tool. It begins the next epoch, so positions that the original gave\n" +
			"after the backup was made are never taken for the restored gateway's. Tamper evidence is copied,\n" +
			"and so are the cursors of destinations, as they were when the backup began: what was delivered\n" +
			"since is delivered again. Keys and tokens are not.\n\n" +
			"With -o json one object {\"copied_chunks\",\"kept_chunks\",\"copied_bytes\", …} with what\n" +
			"`daybook store stat` prints about the backup; before it {\"damage\":{…}} for each damage in it.",
		Example: "  daybook store backup --data ./daybook-data --to /mnt/backup/daybook\n" +
			"  daybook store backup --data /mnt/backup/daybook --to ./daybook-data   # restore\n" +
			"  daybook serve --data ./daybook-data",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.storeBackup(to) },
	}
	a.targetFlag(cmd, &to)
	return cmd
}

func (a *app) storeBackup(to string) error {
	c, err := a.place()
	if err != nil {
		return err
	}
	// Before the journal, so that it lags behind it and never leads.
	tree, covered, err := evidence.Take(c.Data)
	if err != nil {
		return err
	}
	cursors, err := deliver.TakeCursors(c.Data)
	if err != nil {
		return fmt.Errorf("%w\nmove the file away to back up without it: the destination then begins where from: says", err)
	}
	damaged := damageList{app: a}
	result, err := journal.Backup(c.Data, to, journal.CopyOptions{Found: damaged.add, Progress: a.progress("copied")})
	if covered && (err == nil || damaged.places > 0) { // a damaged journal is copied too
		err = errors.Join(err, tree.CopyTo(to))
	}
	if err == nil || damaged.places > 0 {
		err = errors.Join(err, cursors.CopyTo(to))
	}
	if err := cmp.Or(err, damaged.err); err != nil {
		return err
	}
	a.hint("%d chunks copied, %d there already", result.Copied, result.Kept)
	return a.printCopy(to, result.Backup, struct {
		Copied int   `json:"copied_chunks"`
		Kept   int   `json:"kept_chunks"`
		Bytes  int64 `json:"copied_bytes"`
		reportRow
	}{result.Copied, result.Kept, result.Bytes, reportRowOf(to, result.Backup)})
}
