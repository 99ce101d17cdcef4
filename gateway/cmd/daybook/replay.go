package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/replay"
)

// replayFlags are the flags of replay.
type replayFlags struct {
	replay.Spec
	rate   string
	detach bool
}

func newReplay(a *app) *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Hand events of the past to a destination again",
		Long: "Hand events that are kept to a destination again: those received in a time, and of them those that\n" +
			"an expression means. The gateway does it, also when this command ends, and goes on with it after a\n" +
			"restart. Events have the ids they had, so a destination that tells duplicates keeps its first copy.\n" +
			"What the destination refuses for good is counted and shown, and is no dead letter.\n\n" +
			"With -o json the replay as it is in the end: {\"id\",\"to\",\"from\",\"until\",\"where\",\"rate\",\"dry_run\",\n" +
			"\"state\",\"created\",\"finished\",\"after\",\"end\",\"position\",\"read\",\"matched\",\"delivered\",\"failed\",\n" +
			"\"skipped\",\"missed\",\"failures\",\"problem\",\"percent\"}. The exit status is 0 when everything that matched\n" +
			"was delivered.",
		Example: "  daybook replay --to warehouse --from 2026-01-31T12:00:00Z --until 2026-01-31T13:00:00Z --dry-run\n" +
			"  daybook replay --to warehouse --from 2h --where 'event_type == \"metric\"' --rate 500/s\n" +
			"  daybook replay list",
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(time.Now()); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.replay(ctx, f)
		},
	}
	cmd.SuggestionsMinimumDistance = 2
	flags := cmd.Flags()
	flags.StringVar(&f.To, "to", "", "the destination `NAME`")
	flags.StringVar(&f.From, "from", "", "begin with the events received at `TIME`, that long ago, such as 2h, or with the start of what is kept")
	flags.StringVar(&f.Until, "until", "now", "end before the events received at `TIME`, that long ago, or now")
	flags.StringVar(&f.Where, "where", "", "only events that `EXPRESSION` means, as in the configuration")
	flags.StringVar(&f.rate, "rate", "", "at most `N/s` events a second (default no limit)")
	flags.BoolVar(&f.DryRun, "dry-run", false, "count what would be delivered, and deliver nothing")
	flags.BoolVar(&f.detach, "detach", false, "do not wait for the end")
	if err := cmd.RegisterFlagCompletionFunc("to", a.completeDestinations); err != nil {
		panic("daybook: completion of --to: " + err.Error())
	}
	cmd.AddCommand(newReplayList(a), newReplayCancel(a))
	return cmd
}

// check refuses what cannot be meant, before anything is asked, and completes
// what is meant.
func (f *replayFlags) check(now time.Time) (err error) {
	if f.To == "" {
		return wrongUsage("replay to which destination? Say --to NAME")
	}
	if f.From == "" {
		return wrongUsage("replay from when? Say --from TIME, or --from start for everything that is kept")
	}
	if f.From, err = parseWhen("from", f.From, now, "start"); err != nil {
		return err
	}
	if f.Until, err = parseWhen("until", f.Until, now, "now"); err != nil {
		return err
	}
	if f.rate == "" {
		return nil
	}
	f.Rate, err = strconv.ParseFloat(strings.TrimSuffix(f.rate, "/s"), 64)
	if err != nil || !(f.Rate > 0 && f.Rate <= 1e9) {
		return wrongUsage("--rate: %q is not a number of events a second, such as 500/s", f.rate)
	}
	return nil
}

// A replayState is a replay as a gateway shows it.
type replayState struct {
	replay.Job
	Percent float64 `json:"percent"`
}

func (a *app) replay(ctx context.Context, f replayFlags) error {
	k, err := a.asker()
	if err != nil {
		return err
	}
	var text jsontext.Value
	if err := k.object(ctx, http.MethodPost, "/v1/replays", f.Spec, &text); err != nil {
		return err
	}
	w := replayWatch{app: a, asker: k, text: text}
	if err := json.Unmarshal(text, &w.now); err != nil {
		return err
	}
	if f.detach {
		return w.detached()
	}
	return w.toEnd(ctx)
}

func newReplayList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List replays, the newest first",
		Long: "List the replays that wait, run, or were finished in the last seven days, the newest first.\n\n" +
			"With -o json each is an object as `daybook replay -o json` prints.",
		Example: "  daybook replay list",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.listReplays(cmd.Context()) },
	}
}

func (a *app) listReplays(ctx context.Context) error {
	k, err := a.asker()
	if err != nil {
		return err
	}
	var l struct {
		Rows []jsontext.Value `json:"replays"`
	}
	if err := k.object(ctx, http.MethodGet, "/v1/replays", nil, &l); err != nil {
		return err
	}
	if a.json() {
		return printLines(a.stdout, l.Rows)
	}
	if len(l.Rows) == 0 {
		a.hint("There are none.")
		return nil
	}
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tDONE\tTO\tFROM\tUNTIL\tDELIVERED\tFAILED\tCREATED\tWHY")
	for _, text := range l.Rows {
		var r replayState
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		why := "-"
		if r.Problem != nil {
			why = printable(r.Problem.Message)
		}
		fmt.Fprintf(t, "%s\t%s\t%.0f%%\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", printable(r.ID), printable(string(r.State)), r.Percent, printable(r.To), printable(r.From),
			cell(r.Until), r.Delivered, r.Failed, r.Created.UTC().Format(time.RFC3339), why)
	}
	return t.Flush()
}

func newReplayCancel(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "cancel ID",
		Short:   "End a replay; what was delivered stays delivered",
		Long:    "End a replay. What was delivered stays delivered.\n\nWith -o json the replay as it is then.",
		Example: "  daybook replay cancel 20260131T120000-3f2a1b9c",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.cancelReplay(cmd.Context(), args[0]) },
	}
}

func (a *app) cancelReplay(ctx context.Context, id string) error {
	k, err := a.asker()
	if err != nil {
		return err
	}
	var text jsontext.Value
	if err := k.object(ctx, http.MethodDelete, "/v1/replays/"+url.PathEscape(id), nil, &text); err != nil {
		return err
	}
	if a.json() {
		return printLines(a.stdout, []jsontext.Value{text})
	}
	var r replayState
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s: %s\n", r.State, countsText(&r.Job))
	return nil
}
