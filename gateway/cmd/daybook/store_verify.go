package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/store/evidence"
	"daybook.dev/gateway/internal/store/journal"
)

func newStoreVerify(a *app) *cobra.Command {
	var o evidenceOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read everything and name what is damaged, or was tampered with",
		Long: "Read every record and key file and name what is not as it was written. Exit status 1 means\n" +
			"that something is. An unfinished write at the end is no damage: a gateway was killed there,\n" +
			"and nobody was told yes for it. Nor are records that a repair has left out: they are missing.\n\n" +
			"With --checkpoint, a signed checkpoint kept from earlier, it also proves that the journal is an\n" +
			"extension of what it was then, and names records that were changed, removed, reordered, added\n" +
			"or cut off. Records that retention has removed are covered by their hashes. With --event it\n" +
			"proves that this event is among what the checkpoint covers.\n\n" +
			"With -o json one object {\"damage\":{\"file\",\"offset\",\"sequence\",\"what\"}} per damage, one\n" +
			"{\"tampered\":{\"verdict\",\"sequence\",\"what\"}} per difference, then what `daybook store stat`\n" +
			"prints, {\"evidence\":{…}} about what was compared, and {\"proof\":{…}} per event.",
		Example: "  daybook store verify --data ./daybook-data\n" +
			"  daybook store verify --checkpoint last-month.checkpoint --verifier-file evidence.pub\n" +
			"  daybook store verify --checkpoint last-month.checkpoint --event 8c1f… -o json",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.storeVerify(o) },
	}
	cmd.Flags().StringVar(&o.checkpoint, "checkpoint", "", "`FILE` with a signed checkpoint to compare with")
	cmd.Flags().StringVar(&o.verifier, "verifier-file", "", "`FILE` with the key that checks its signature (default the one in the data directory, which proves less)")
	cmd.Flags().StringVar(&o.event, "event", "", "`ID` of an event to prove")
	return cmd
}

func (a *app) storeVerify(o evidenceOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	c, err := a.place()
	if err != nil {
		return err
	}
	problems, report, err := a.verifyJournal(c.Data)
	if err != nil {
		return err
	}
	var compared evidence.Result
	if o.checkpoint != "" {
		if compared, err = a.verifyEvidence(c.Data, o); err != nil {
			return err
		}
		problems += compared.Findings
	}
	if err := a.printReport(c.Data, report, problems == 0); err != nil {
		return err
	}
	if o.checkpoint != "" {
		if err := a.printEvidence(compared); err != nil {
			return err
		}
	}
	if problems > 0 {
		return errReported
	}
	if o.event != "" {
		return a.proveEvent(c.Data, o.event, compared.Checkpoint)
	}
	return nil
}

// verifyJournal reads the whole journal and prints what is damaged.
func (a *app) verifyJournal(data string) (problems int, r journal.Report, err error) {
	damaged := damageList{app: a}
	r, err = journal.Verify(data, damaged.add)
	return damaged.places, r, cmp.Or(err, damaged.err)
}

// A damageList prints damage as it is found.
type damageList struct {
	app    *app
	places int
	err    error // the first that printing met
}

func (l *damageList) add(d journal.Damage) {
	l.places++
	if l.err == nil {
		l.err = l.app.printDamage(d)
	}
}
