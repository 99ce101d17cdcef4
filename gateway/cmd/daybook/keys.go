package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"daybook.dev/gateway/internal/keyring"
	"daybook.dev/gateway/internal/serve"
)

func newKeys(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke the keys that callers prove themselves with",
		Long: "Keep the file of callers that callers_file names. It holds the hashes of keys, never a key. A\n" +
			"gateway that runs with it takes every change within seconds; no restart, no signal.\n\n" +
			"Callers that prove themselves otherwise (passwords, client certificates, tokens, licenses) stand in\n" +
			"the configuration, below callers: docs/callers.md.",
		Example: "  daybook keys create checkout --callers-file callers.jsonl\n" +
			"  daybook keys list\n" +
			"  daybook keys revoke checkout",
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(newKeysCreate(a), newKeysList(a), newKeysRevoke(a), newLicenseVerify(a))
	return cmd
}

// callersFlag declares the flag that says which file is meant.
func (a *app) callersFlag(cmd *cobra.Command, flags *pflag.FlagSet) {
	a.keyFlags(cmd, flags, func(k serve.Key) bool { return k.Name == "callers_file" })
}

// callersFile is the file of callers of the configuration.
func (a *app) callersFile() (string, error) {
	c, err := a.place()
	if err == nil && c.CallersFile == "" {
		err = errors.New("there is no file to keep callers in: write callers_file: FILE into the configuration, or pass --callers-file FILE, here and to daybook serve")
	}
	return c.CallersFile, err
}

// A keyRow is a key as it is printed: everything but the key.
type keyRow struct {
	Caller    string         `json:"caller"`
	ID        string         `json:"id"`
	Last4     string         `json:"last4"`
	Created   string         `json:"created"`
	Protocols []string       `json:"protocols"` // empty = all
	Events    []string       `json:"events"`    // empty = all
	Quota     *keyring.Quota `json:"quota"`     // null = without bound
	Public    bool           `json:"public"`
}

const timeFormat = "2006-01-02T15:04:05Z"

func keyRowOf(c *keyring.Caller, k keyring.Key) keyRow {
	return keyRow{
		Caller: c.Name, ID: k.ID(), Last4: k.Last4, Created: k.Created.UTC().Format(timeFormat),
		Protocols: c.Protocols, Events: c.Events, Quota: c.Quota, Public: c.Public,
	}
}
