package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/keyring"
	"daybook.dev/gateway/internal/serve"
)

// createFlags are what `keys create` takes.
type createFlags struct {
	add               bool
	protocols, events []string
	public            bool

	quotaEvents, quotaBytes, quotaBurst string
}

func newKeysCreate(a *app) *cobra.Command {
	var f createFlags
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key for a caller, and print it once",
		Long: "Add the caller NAME with a new key to the file of callers, and print the key on standard output.\n" +
			"Only its hash is kept: nobody can show the key again. With --add a caller that is there gets\n" +
			"another key beside those it has, so that applications can change to it before the old one is\n" +
			"revoked.\n\n" +
			`With -o json: {"key","caller","id","last4","created","protocols","events","quota","public"}.`,
		Example: "  daybook keys create checkout > checkout.key\n" +
			"  daybook keys create web --protocols segment,http --events 'page-*' --quota-events 500/s\n" +
			"  daybook keys create checkout --add      # change over, then: daybook keys revoke OLD-ID",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.createKey(args[0], &f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.add, "add", false, "another key for a caller that is there")
	flags.StringSliceVar(&f.protocols, "protocols", nil, "`PROTOCOLS` it may send with, separated by commas (default all)")
	flags.StringSliceVar(&f.events, "events", nil, "`NAMES` of events it may send, in which * stands for any text (default all)")
	flags.StringVar(&f.quotaEvents, "quota-events", "", "most events, a `RATE` such as 1000/s (default without bound)")
	flags.StringVar(&f.quotaBytes, "quota-bytes", "", "most bytes of requests, a `RATE` such as 1MiB/s (default without bound)")
	flags.StringVar(&f.quotaBurst, "quota-burst", "", "how much may come at once, as the `TIME` in which it is earned (default 10s)")
	flags.BoolVar(&f.public, "public", false, "the product's own site or a managed service: marketing_tracking may leave")
	a.callersFlag(cmd, flags)
	complete(cmd, "protocols", caller.Protocols)
	return cmd
}

// check refuses what a caller that is there would not get.
func (f *createFlags) check(cmd *cobra.Command) error {
	if !f.add {
		return nil
	}
	for _, name := range []string{"protocols", "events", "quota-events", "quota-bytes", "quota-burst", "public"} {
		if cmd.Flags().Changed(name) {
			return wrongUsage("--%s is for a new caller: --add adds a key and changes nothing else", name)
		}
	}
	return nil
}

// caller is the new caller that the flags mean.
func (f *createFlags) caller(name string) (keyring.Caller, error) {
	c := keyring.Caller{Name: name, Protocols: f.protocols, Events: f.events, Public: f.public}
	if f.quotaEvents+f.quotaBytes+f.quotaBurst == "" {
		return c, nil
	}
	c.Quota = &keyring.Quota{}
	if f.quotaEvents != "" {
		rate, err := serve.ParseRate(f.quotaEvents)
		if err != nil {
			return c, wrongUsage("--quota-events: %w", err)
		}
		c.Quota.Events = rate.PerSecond()
	}
	if f.quotaBytes != "" {
		rate, err := serve.ParseByteRate(f.quotaBytes)
		if err != nil {
			return c, wrongUsage("--quota-bytes: %w", err)
		}
		c.Quota.Bytes = rate.PerSecond()
	}
	if f.quotaBurst == "" {
		return c, nil
	}
	burst, err := serve.ParseDuration(f.quotaBurst)
	if err != nil {
		return c, wrongUsage("--quota-burst: %w", err)
	}
	if c.Quota.Events+c.Quota.Bytes == 0 {
		return c, wrongUsage("--quota-burst needs --quota-events or --quota-bytes")
	}
	c.Quota.Burst = burst.Seconds()
	return c, nil
}

func (a *app) createKey(name string, f *createFlags) error {
	path, err := a.callersFile()
	if err != nil {
		return err
	}
	c, err := f.caller(name)
	if err != nil {
		return err
	}
	var key string
	var made keyring.Key
	err = keyring.Update(path, func(r *keyring.Ring) (err error) {
		if f.add {
			c, key, made, err = r.Add(name, time.Now())
			return err
		}
		key, made, err = r.Create(c, time.Now())
		return err
	})
	if err != nil {
		return err
	}
	if a.json() {
		return printJSON(a.stdout, struct {
			Key string `json:"key"`
			keyRow
		}{key, keyRowOf(&c, made)})
	}
	fmt.Fprintln(a.stdout, key)
	a.hint("This is the only time that the key is shown. A gateway with callers_file: %s takes it within seconds.\nTry: DAYBOOK_KEY=%s daybook send hello", path, "…")
	return nil
}
