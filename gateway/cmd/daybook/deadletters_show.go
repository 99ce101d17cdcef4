package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/deadletter"
)

func newDeadLettersShow(a *app) *cobra.Command {
	var destination string
	cmd := &cobra.Command{
		Use:   "show POSITION",
		Short: "Show a dead letter and its event",
		Long: "Show why an event was not delivered, and the event: a dead letter for each destination that has not\n" +
			"got the event at POSITION.\n\n" +
			"With -o json each is an object as of list, with the row of the event as \"event\": null where the\n" +
			"event is no longer kept.",
		Example: "  daybook deadletters show 4711\n" +
			"  daybook deadletters show 4711 -o json | jq .event",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f := letterFlags{}
			if _, err := f.filter(args); err != nil {
				return err
			}
			return a.showDeadLetters(cmd.Context(), args[0], destination)
		},
	}
	cmd.Flags().StringVar(&destination, "destination", "", "only that of the destination `NAME`")
	if err := cmd.RegisterFlagCompletionFunc("destination", a.completeDestinations); err != nil {
		panic("daybook: completion of --destination: " + err.Error())
	}
	return cmd
}

func (a *app) showDeadLetters(ctx context.Context, position, destination string) error {
	k, err := a.asker()
	if err != nil {
		return err
	}
	var l letterList
	if err := k.object(ctx, http.MethodGet, "/v1/deadletters/"+position+"?"+parameters(deadletter.Filter{Destination: destination}).Encode(), nil, &l); err != nil {
		return err
	}
	if a.json() {
		return printLines(a.stdout, l.Rows)
	}
	for i, text := range l.Rows {
		var r letterRow
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		if err := a.printLetter(r); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printLetter(r letterRow) error {
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(t, "%s\t%s\n", name, value) }
	row("position", strconv.FormatUint(r.Position, 10))
	row("destination", cmp.Or(printable(r.Destination), "none: the gateway itself set it aside"))
	row("reason", printable(r.Reason)+" ("+printable(r.Code)+")")
	if r.Field != "" {
		row("field", printable(r.Field))
	}
	if r.Message != "" {
		row("message", printable(r.Message))
	}
	row("attempts", strconv.Itoa(r.Attempts))
	row("event id", cell(r.EventID))
	row("event name", cell(r.EventName))
	row("caller", cell(r.Caller))
	row("received", r.Received.UTC().Format(time.RFC3339Nano))
	event := "no longer kept: it cannot be retried"
	if r.Event.Kind() == jsontext.KindBeginObject {
		event = printable(string(r.Event))
	}
	row("event", event)
	return t.Flush()
}
