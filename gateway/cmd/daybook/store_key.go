package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/store/evidence"
)

func newStoreKey(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "key FILE",
		Short: "Make a key for tamper evidence",
		Long: "Write a new signing key to FILE, which only its owner can read, and print the key that checks\n" +
			"its signatures. Name FILE in journal.tamper_evidence: from then on the gateway signs checkpoints\n" +
			"over everything it stores. Keep the printed key, and checkpoints now and then, where whoever can\n" +
			"change the data directory cannot: `daybook store verify --checkpoint` compares with them.\n\n" +
			"With -o json: {\"file\",\"verifier\"}.",
		Example: "  daybook store key /etc/daybook/evidence.key > evidence.pub\n" +
			"  daybook serve --journal-tamper-evidence /etc/daybook/evidence.key",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.storeKey(args[0]) },
	}
}

func (a *app) storeKey(file string) error {
	verifier, err := evidence.NewKey(file)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already: a key is never replaced", file)
	}
	if err != nil {
		return err
	}
	if a.json() {
		return printJSON(a.stdout, struct {
			File     string `json:"file"`
			Verifier string `json:"verifier"`
		}{file, verifier})
	}
	fmt.Fprintln(a.stdout, verifier)
	return nil
}
