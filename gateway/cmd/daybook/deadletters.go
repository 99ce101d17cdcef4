package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/store"
)

func newDeadLetters(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletters",
		Short: "See which events were not delivered, and try them again",
		Long: "A dead letter is an event that is safe in the journal and that a destination has refused for good,\n" +
			"or that a caller was told was not forwarded. It stays until somebody retries it, drops it, or its\n" +
			"records are no longer kept. The commands ask a running gateway.",
		Example: "  daybook deadletters list --destination warehouse\n" +
			"  daybook deadletters show 4711\n" +
			"  daybook deadletters retry --destination warehouse --reason row_too_large",
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(newDeadLettersList(a), newDeadLettersShow(a), newDeadLettersRetry(a), newDeadLettersDrop(a))
	return cmd
}

// letterFlags are the flags that say which dead letters are meant.
type letterFlags struct {
	deadletter.Filter
	since, until string
}

func (f *letterFlags) declare(a *app, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.Destination, "destination", "", "those of the destination `NAME`")
	flags.BoolVar(&f.Own, "own", false, "those that the gateway itself set aside")
	flags.StringVar(&f.Reason, "reason", "", "those with this reason, a `WORD` such as row_too_large")
	flags.StringVar(&f.Code, "code", "", "those with this code, a `WORD` such as invalid")
	flags.StringVar(&f.Caller, "caller", "", "those whose events the caller `NAME` sent")
	flags.StringVar(&f.EventName, "event-name", "", "those of events with this `NAME`")
	flags.StringVar(&f.EventID, "event-id", "", "those of the event with this `ID`")
	flags.StringVar(&f.since, "since", "", "those of events received at or after `TIME`, or that long ago, such as 2h")
	flags.StringVar(&f.until, "until", "", "those of events received before `TIME`, or that long ago")
	complete(cmd, "code", []string{"invalid", "too_large", "conflict", "unavailable"})
	if err := cmd.RegisterFlagCompletionFunc("destination", a.completeDestinations); err != nil {
		panic("daybook: completion of --destination: " + err.Error())
	}
}

// filter returns what the flags and the positions mean.
func (f *letterFlags) filter(positions []string) (deadletter.Filter, error) {
	for _, text := range positions {
		p, err := strconv.ParseUint(text, 10, 64)
		if err != nil || p == 0 {
			return f.Filter, wrongUsage("%q is not the position of a dead letter; `daybook deadletters list` shows them", text)
		}
		f.Positions = append(f.Positions, store.Position(p))
	}
	now := time.Now()
	for _, t := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", f.since, &f.Since}, {"until", f.until, &f.Until}} {
		text, err := parseWhen(t.flag, t.text, now)
		if err != nil {
			return f.Filter, err
		}
		if text != "" {
			*t.to, _ = time.Parse(time.RFC3339Nano, text) // parseWhen returns nothing else
		}
	}
	return f.Filter, nil
}

// parameters returns a filter as the parameters of a request.
func parameters(f deadletter.Filter) url.Values {
	q := url.Values{}
	for name, text := range map[string]string{
		"destination": f.Destination, "reason": f.Reason, "code": f.Code, "caller": f.Caller, "event_name": f.EventName, "event_id": f.EventID,
	} {
		if text != "" {
			q.Set(name, text)
		}
	}
	for name, t := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !t.IsZero() {
			q.Set(name, t.Format(time.RFC3339Nano))
		}
	}
	if f.Own {
		q.Set("own", "true")
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return q
}

func newDeadLettersList(a *app) *cobra.Command {
	var f letterFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, the newest first",
		Long: "List dead letters, the newest first. All flags together say which.\n\n" +
			"With -o json each is an object: {\"position\",\"destination\",\"record\",\"event_id\",\"event_name\",\n" +
			"\"caller\",\"ingested_at\",\"attempts\",\"code\",\"reason\",\"field\",\"message\"}, null where absent. The\n" +
			"position, that of the event, names a dead letter to the other commands. What the gateway itself set\n" +
			"aside has no destination.",
		Example: "  daybook deadletters list --destination warehouse --since 24h\n" +
			"  daybook deadletters list --limit 10000 -o json | jq -r .reason | sort | uniq -c",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.filter(nil)
			if err != nil {
				return err
			}
			return a.listDeadLetters(cmd.Context(), filter)
		},
	}
	f.declare(a, cmd)
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 100, "show at most `N`, up to 10000")
	return cmd
}

// A letterList is the answer of GET /v1/deadletters.
type letterList struct {
	Rows     []jsontext.Value `json:"deadletters"`
	Matched  int              `json:"matched"`
	Unlisted uint64           `json:"unlisted"`
	Complete bool             `json:"complete"`
	Through  uint64           `json:"through"`
}

func (a *app) listDeadLetters(ctx context.Context, f deadletter.Filter) error {
	if f.Limit < 1 || f.Limit > 10_000 {
		return wrongUsage("--limit: %d is not from 1 to 10000", f.Limit)
	}
	k, err := a.asker()
	if err != nil {
		return err
	}
	var l letterList
	if err := k.object(ctx, http.MethodGet, "/v1/deadletters?"+parameters(f).Encode(), nil, &l); err != nil {
		return err
	}
	if err := a.printLetters(l.Rows); err != nil {
		return err
	}
	if !l.Complete {
		fmt.Fprintf(a.stderr, "daybook: there may be more: the gateway is still looking them up, and is at position %d\n", l.Through)
	}
	if l.Unlisted > 0 {
		fmt.Fprintf(a.stderr, "daybook: %d older ones are not listed: there are too many\n", l.Unlisted)
	}
	switch {
	case l.Matched == 0:
		a.hint("There are none.")
	case l.Matched > len(l.Rows):
		a.hint("%d of %d; --limit shows more.", len(l.Rows), l.Matched)
	}
	return nil
}

// A letterRow is what a table shows of a dead letter.
type letterRow struct {
	Position    uint64         `json:"position"`
	Destination string         `json:"destination"`
	EventID     string         `json:"event_id"`
	EventName   string         `json:"event_name"`
	Caller      string         `json:"caller"`
	Received    time.Time      `json:"ingested_at"`
	Attempts    int            `json:"attempts"`
	Code        string         `json:"code"`
	Reason      string         `json:"reason"`
	Field       string         `json:"field"`
	Message     string         `json:"message"`
	Event       jsontext.Value `json:"event"`
}

func (a *app) printLetters(rows []jsontext.Value) error {
	if a.json() {
		return printLines(a.stdout, rows)
	}
	if len(rows) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "POSITION\tDESTINATION\tREASON\tATTEMPTS\tRECEIVED\tCALLER\tEVENT\tID")
	for _, text := range rows {
		var r letterRow
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", r.Position, cell(r.Destination), cell(r.Reason), r.Attempts,
			r.Received.UTC().Format(time.RFC3339), cell(r.Caller), cell(r.EventName), cell(r.EventID))
	}
	return t.Flush()
}

// completeDestinations tells shells which destinations have dead letters, as far
// as a gateway answers.
func (a *app) completeDestinations(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
	defer cancel()
	k, err := a.asker()
	var l letterList
	if err == nil {
		err = k.object(ctx, http.MethodGet, "/v1/deadletters?limit=10000", nil, &l)
	}
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	seen := map[string]bool{"": true}
	for _, text := range l.Rows {
		var r letterRow
		if json.Unmarshal(text, &r) == nil && !seen[r.Destination] {
			seen[r.Destination] = true
			names = append(names, r.Destination)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeWithin is how long a shell may have to wait.
const completeWithin = time.Second
