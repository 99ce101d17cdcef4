package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/keyring"
)

func newKeysRevoke(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke NAME|ID...",
		Short: "Take keys away: those of a caller, or one by its id",
		Long: "Take away every key of the caller NAME, or the one key whose id `daybook keys list` shows as ID.\n" +
			"A caller without keys is gone, with what was said about it. Gateways refuse the key within\n" +
			"seconds; events that it brought stay.\n\n" +
			"Either everything that is named is revoked, or nothing.\n\n" +
			`With -o json each is an object: {"caller","id","last4","created"}.`,
		Example: "  daybook keys revoke 4f2a91c0\n" +
			"  daybook keys revoke checkout",
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.revokeKeys(args) },
	}
	a.callersFlag(cmd, cmd.Flags())
	return cmd
}

func (a *app) revokeKeys(which []string) error {
	path, err := a.callersFile()
	if err != nil {
		return err
	}
	var gone []keyring.Revoked
	err = keyring.Update(path, func(r *keyring.Ring) error {
		for _, one := range which {
			revoked, err := r.Revoke(one)
			if err != nil {
				return err
			}
			gone = append(gone, revoked...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, g := range gone {
		if !a.json() {
			fmt.Fprintf(a.stdout, "revoked %s dbk_…%s of %s\n", g.Key.ID(), printable(g.Key.Last4), printable(g.Caller))
			continue
		}
		err := printJSON(a.stdout, struct {
			Caller  string `json:"caller"`
			ID      string `json:"id"`
			Last4   string `json:"last4"`
			Created string `json:"created"`
		}{g.Caller, g.Key.ID(), g.Key.Last4, g.Key.Created.UTC().Format(timeFormat)})
		if err != nil {
			return err
		}
	}
	return nil
}
