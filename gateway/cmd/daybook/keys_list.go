package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/keyring"
)

func newKeysList(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys of the file of callers",
		Long: "List the keys of the file of callers by what they are known by: their id, the first digits of the\n" +
			"hash, and their last four characters.\n\n" +
			`With -o json each is an object: {"caller","id","last4","created","protocols","events","quota","public"}.`,
		Example: "  daybook keys list\n" +
			"  daybook keys list -o json | jq -r 'select(.created < \"2026-01-01\") | .id'",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.listKeys() },
	}
	a.callersFlag(cmd, cmd.Flags())
	return cmd
}

func (a *app) listKeys() error {
	path, err := a.callersFile()
	if err != nil {
		return err
	}
	ring, err := keyring.Read(path)
	if err != nil {
		return err
	}
	if a.json() {
		return a.listKeysJSON(ring)
	}
	if len(ring) == 0 {
		a.hint("No callers in %s. Make one: daybook keys create NAME", path)
		return nil
	}
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CALLER\tID\tKEY\tCREATED\tPROTOCOLS\tEVENTS\tQUOTA")
	for i := range ring {
		c := &ring[i]
		for _, key := range c.Keys {
			row := keyRowOf(c, key)
			fmt.Fprintf(table, "%s\t%s\tdbk_…%s\t%s\t%s\t%s\t%s\n", printable(row.Caller), row.ID, printable(row.Last4), row.Created,
				cmp.Or(printable(strings.Join(c.Protocols, ",")), "all"), cmp.Or(printable(strings.Join(c.Events, ",")), "all"), quotaText(c.Quota))
		}
	}
	return table.Flush()
}

func (a *app) listKeysJSON(ring keyring.Ring) error {
	for i := range ring {
		for _, key := range ring[i].Keys {
			if err := printJSON(a.stdout, keyRowOf(&ring[i], key)); err != nil {
				return err
			}
		}
	}
	return nil
}

// quotaText is a quota in few words.
func quotaText(q *keyring.Quota) string {
	if q == nil {
		return "-"
	}
	var parts []string
	for _, p := range []struct {
		n    float64
		unit string
	}{{q.Events, "events/s"}, {q.Bytes, "bytes/s"}} {
		if p.n > 0 {
			parts = append(parts, strconv.FormatFloat(p.n, 'g', 6, 64)+" "+p.unit)
		}
	}
	return strings.Join(parts, ", ")
}
