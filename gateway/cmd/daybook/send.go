package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"daybook.dev"
	"daybook.dev/gateway/internal/serve"
)

// sendOptions are the flags of send.
type sendOptions struct {
	event    eventFlags
	retryFor time.Duration
}

func newSend(a *app) *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send NAME [KEY=TEXT | KEY:=JSON]... | send - [FILE]...",
		Short: "Send one event, or the events of a file or a pipe",
		Long: "Send one event called NAME with the given metadata, or, with -, the events read from\n" +
			"FILEs or from standard input: one JSON object per line, as POST /v1/events takes them and\n" +
			"as `daybook tail -o json` prints them.\n\n" +
			"Every event gets an id before it is sent for the first time, so that sending it again, as\n" +
			"happens when the gateway is restarted meanwhile, never stores it twice. What is refused is\n" +
			"named by its line. Exit status 0 means that every event is safe at the gateway.\n\n" +
			"With -o json, one object per event: {\"line\",\"event_id\",\"status\"}, for refusals and failures also\n" +
			"\"code\", \"reason\", \"field\" and \"message\", and \"file\" when FILEs are given.",
		Example: "  daybook send login-success --actor ann plan=pro sso:=true\n" +
			"  daybook tail --from start --no-follow -o json | daybook send - --gateway http://other:8080",
		Args: sendsSomething,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.send(ctx, o, args)
		},
	}
	o.event.declare(cmd.Flags())
	o.retryFor = time.Minute
	cmd.Flags().Var((*durationFlag)(&o.retryFor), "retry-for", "how long to try again while the gateway does not take events")
	return cmd
}

func sendsSomething(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("send what? Write a name, as in `daybook send hello plan=pro`, or - to read events from a pipe")
	}
	return nil
}

// A durationFlag is a duration as the configuration has them.
type durationFlag time.Duration

func (f *durationFlag) Set(text string) error {
	d, err := serve.ParseDuration(text)
	*f = durationFlag(d)
	return err
}

func (f *durationFlag) Type() string   { return "duration" }
func (f *durationFlag) String() string { return time.Duration(*f).String() }

// send sends what the arguments say and reports it.
func (a *app) send(ctx context.Context, o sendOptions, args []string) error {
	source, err := a.source(o, args)
	if err != nil {
		return err
	}
	url, err := a.gatewayURL()
	if err != nil {
		return err
	}
	gateway, err := daybook.Gateway(url, daybook.GatewayOptions{Key: a.gatewayKey()})
	if err != nil {
		return err
	}
	defer gateway.Close(ctx)

	r := newSendReport(a, args[0] != "-")
	c := courier{send: gateway.SendLines, retryFor: o.retryFor, report: r.event, waiting: r.waiting}
	err = c.deliverAll(ctx, source)
	return r.finish(err)
}

// source is where the lines of a command come from.
func (a *app) source(o sendOptions, args []string) (lineSource, error) {
	if args[0] != "-" {
		text, err := o.event.line(args[0], args[1:])
		if err != nil {
			return nil, err
		}
		return oneLine(text), nil
	}
	if given := o.event.given(); given != "" {
		return nil, wrongUsage("--%s is for a single event; with - the events say it themselves", given)
	}
	if len(args) > 1 {
		return a.files(args[1:])
	}
	if a.stdinIsTerminal {
		a.hint("Reading events from the terminal, one JSON object per line. Ctrl-D ends.")
	}
	return readLines("", a.stdin), nil
}

// files reads the files one after the other. All are opened first: a name that
// is wrong should be known before anything is sent.
func (a *app) files(names []string) (lineSource, error) {
	var sources []lineSource
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		sources = append(sources, readLines(name, f))
	}
	return func(yield func(line, error) bool) {
		for _, source := range sources {
			for l, err := range source {
				if !yield(l, err) {
					return
				}
			}
		}
	}, nil
}

// newEventID returns the id of an event that has none.
func newEventID() string { return uuid.NewString() }

// describe says in one line for people why an event or a request failed. That
// a connection ended (io.EOF) adds nothing to "no answer".
func describe(err error) string {
	e, ok := errors.AsType[*daybook.Error](err)
	switch {
	case !ok:
		return err.Error()
	case e.Message == "":
		return e.Error()
	case e.Err != nil && !errors.Is(e.Err, io.EOF):
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}
