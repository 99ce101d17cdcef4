package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/store/journal"
)

func newStoreUpgrade(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "upgrade",
		Short: "Say which format the journal has; there is nothing to upgrade yet",
		Long: "A release that knows a newer format of the journal goes on writing the one it finds, so that it\n" +
			"can be taken back. This command is what changes that. There is only one format yet, so it says\n" +
			"which one the journal has and changes nothing. A format this program does not know is refused.\n\n" +
			"With -o json: {\"data\",\"format\",\"newest_format\",\"upgraded\"}.",
		Example: "  daybook store upgrade --data ./daybook-data",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.storeUpgrade() },
	}
}

func (a *app) storeUpgrade() error {
	c, err := a.place()
	if err != nil {
		return err
	}
	written, newest, err := journal.Format(c.Data)
	if err != nil {
		return err
	}
	if a.json() {
		return printJSON(a.stdout, struct {
			Data     string `json:"data"`
			Format   uint32 `json:"format"`
			Newest   uint32 `json:"newest_format"`
			Upgraded bool   `json:"upgraded"`
		}{c.Data, written, newest, false})
	}
	_, err = fmt.Fprintf(a.stdout, "%s has format %d, the newest is %d: nothing to do\n", c.Data, written, newest)
	return err
}
