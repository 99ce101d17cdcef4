package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/query"
)

// tailOptions are the flags of tail.
type tailOptions struct {
	from     string
	last     int
	noFollow bool
}

func newTail(a *app) *cobra.Command {
	var o tailOptions
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show events as they are stored",
		Long: "Show the events of a running gateway as they are stored, from now on, until Ctrl-C. While the\n" +
			"gateway is restarted tail waits for it and misses nothing. Where it comes back with another data\n" +
			"directory, tail says so and begins with its oldest event.\n\n" +
			"The table has time, name, type, actor, id and metadata. With -o json each event is a row:\n" +
			"{\"event_id\",\"event_name\",\"event_type\",\"actor_id\",\"event_ts\",\"ingested_at\",\"caller\",\"protocol\",\n" +
			"\"instance\",\"metadata\"}, null where absent, which `daybook send -` takes.",
		Example: "  daybook tail -n 10\n" +
			"  daybook tail --from start --no-follow -o json > events.ndjson",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd.Flags().Changed("from")); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.tail(ctx, o)
		},
	}
	cmd.Flags().StringVar(&o.from, "from", "now", "where to begin: start, now, or a `TIME` such as 2026-01-31T12:00:00Z")
	cmd.Flags().IntVarP(&o.last, "lines", "n", 0, "begin with the last `N` events")
	cmd.Flags().BoolVar(&o.noFollow, "no-follow", false, "end with the newest event")
	return cmd
}

// check refuses flags that have no meaning, before anything is asked.
func (o tailOptions) check(fromGiven bool) error {
	switch {
	case o.last < 0:
		return wrongUsage("-n: %d is not a number of events", o.last)
	case o.last > 0 && fromGiven:
		return wrongUsage("-n counts back from now: leave out --from, or -n")
	case o.from == "start" || o.from == "now":
		return nil
	}
	if _, err := time.Parse(time.RFC3339Nano, o.from); err != nil {
		return wrongUsage("--from: %q is not start, now or a time such as 2026-01-31T12:00:00Z", o.from)
	}
	return nil
}

// query returns the parameters of the first request.
func (o tailOptions) query() url.Values {
	q := url.Values{"from": {o.from}}
	if o.last > 0 {
		q.Set("n", strconv.Itoa(o.last))
	}
	if o.noFollow {
		q.Set("follow", "false")
	}
	return q
}

func (a *app) tail(ctx context.Context, o tailOptions) error {
	address, token, err := a.operationsURL()
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(a.stdout, 64<<10)
	s := subscription{
		url: address + "/v1/tail", token: token, query: o.query(),
		event: func(row []byte) error { return a.printRow(out, row) },
		pause: out.Flush,
		away: func(err error) {
			a.hint("The gateway is away (%s); waiting for it. Ctrl-C stops.", printable(err.Error()))
		},
		note: func(text string) { fmt.Fprintf(a.stderr, "daybook: %s\n", printable(text)) },
	}
	err = s.run(ctx)
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil // Ctrl-C is how tail ends
	}
	return err
}

// printRow prints one event.
func (a *app) printRow(out *bufio.Writer, row []byte) error {
	if a.json() {
		_, _ = out.Write(row)
		return out.WriteByte('\n')
	}
	r, err := query.ParseRow(row)
	if err != nil {
		return err
	}
	e := &r.Event
	// Columns as wide as most values: events arrive one by one, and nothing
	// that was printed can be moved later.
	_, err = fmt.Fprintf(out, "%-24s  %-24s  %-10s  %-16s  %s  %s\n", e.Time.Format("2006-01-02T15:04:05.000Z"),
		cell(e.Name), cell(string(e.Type)), cell(e.Actor), cell(e.ID), printable(string(e.Metadata)))
	return err
}

// cell returns what a column shows for text.
func cell(text string) string {
	if text == "" {
		return "-"
	}
	return printable(text)
}
