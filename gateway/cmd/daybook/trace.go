package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/query"
)

// traceOptions are the flags of trace.
type traceOptions struct {
	caller string
	full   bool
}

func newTrace(a *app) *cobra.Command {
	var o traceOptions
	cmd := &cobra.Command{
		Use:   "trace ID",
		Short: "Show what became of one event",
		Long: "Show what became of the event of that id, of every caller who used it: when it was received, where it\n" +
			"is stored, and how far it has got to each destination. There are four answers: found; no longer kept;\n" +
			"refused, and why (or dropped, or failed); never received here.\n\n" +
			"With -o json each step is an object: {\"at\",\"step\",\"destination\",\"attempt\",\"outcome\",\"reason\",\n" +
			"\"detail\",\"caller\"}, null where absent; with --full the row of the event comes before its steps. What\n" +
			"the event holds is shown only with --full. The exit status is 0 when it is stored here, else 1.",
		Example: "  daybook trace 0b6f0f6e-5d0b-4a44-9c62-6d1c5f6d9c1e\n" +
			"  daybook trace order-4711 --caller checkout --full",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "" {
				return wrongUsage("which event? ID is empty")
			}
			return a.trace(cmd.Context(), args[0], o)
		},
	}
	cmd.Flags().StringVar(&o.caller, "caller", "", "only that of the caller, or of the publisher that a caller vouches for, `NAME`")
	cmd.Flags().BoolVar(&o.full, "full", false, "show the event itself, too")
	return cmd
}

// route returns where the trace of an id is asked for. An id that is no plain
// part of a path is a parameter.
func (o traceOptions) route(id string) string {
	q := url.Values{}
	if o.caller != "" {
		q.Set("caller", o.caller)
	}
	if o.full {
		q.Set("full", "true")
	}
	route := "/v1/events/" + url.PathEscape(id)
	if strings.Contains(id, "/") || path.Clean(id) != id || id == ".." || id == "." {
		route = "/v1/events"
		q.Set("id", id)
	}
	if len(q) == 0 {
		return route
	}
	return route + "?" + q.Encode()
}

// A trace is the answer of GET /v1/events/{id}.
type trace struct {
	Answer  query.Answer  `json:"answer"`
	Message string        `json:"message"`
	Events  []tracedEvent `json:"events"`
}

type tracedEvent struct {
	Answer    query.Answer     `json:"answer"`
	Caller    string           `json:"caller"`
	EventName string           `json:"event_name"`
	Steps     []jsontext.Value `json:"steps"`
	Row       jsontext.Value   `json:"row"`
}

func (a *app) trace(ctx context.Context, id string, o traceOptions) error {
	k, err := a.asker()
	if err != nil {
		return err
	}
	var t trace
	if err := k.object(ctx, http.MethodGet, o.route(id), nil, &t); err != nil {
		return err
	}
	for i, e := range t.Events {
		if a.json() {
			err = e.printLines(a.stdout)
		} else {
			err = e.print(a.stdout, id, i > 0)
		}
		if err != nil {
			return err
		}
	}
	if t.Answer != query.Found {
		return fmt.Errorf("%s: %s", printable(id), printable(t.Message))
	}
	return nil
}

// printLines prints the rows of an event as they came.
func (e *tracedEvent) printLines(w io.Writer) error {
	if e.Row != nil {
		if err := printLines(w, []jsontext.Value{e.Row}); err != nil {
			return err
		}
	}
	return printLines(w, e.Steps)
}

// print prints the story of an event.
func (e *tracedEvent) print(w io.Writer, id string, another bool) error {
	if another {
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s  %s  from %s: %s\n", printable(id), cell(e.EventName), cell(e.Caller), printable(string(e.Answer)))
	if e.Row != nil {
		fmt.Fprintf(w, "%s\n", printable(string(e.Row)))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, text := range e.Steps {
		var s query.Step
		if err := json.Unmarshal(text, &s); err != nil {
			return err
		}
		at := "-"
		if !s.At.IsZero() {
			at = s.At.UTC().Format("2006-01-02T15:04:05.000Z07:00")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", at, cell(s.Step), cell(s.Destination), cell(s.Outcome), remark(s))
	}
	return t.Flush()
}

// remark is what else there is to say about a step.
func remark(s query.Step) string {
	var parts []string
	if s.Attempt > 0 {
		parts = append(parts, "attempt "+strconv.FormatUint(uint64(s.Attempt), 10))
	}
	if s.Reason != "" {
		parts = append(parts, s.Reason)
	}
	if s.Detail != "" {
		parts = append(parts, s.Detail)
	}
	return printable(strings.Join(parts, ", "))
}
