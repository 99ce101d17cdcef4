// Command acme is an example: a command-line program that records what is done
// with it, and does not mind being offline. What cannot be sent while it runs
// waits on disk for the next run, and nobody waits for the network.
//
//	acme deploy SERVICE    pretends to deploy
//	acme telemetry         says what is recorded, and what waits to be sent
//
// DAYBOOK_GATEWAY says where events go (http://127.0.0.1:8080), and DO_NOT_TRACK=1 or
// ACME_TELEMETRY_OFF=1 that none are recorded.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"daybook.dev"
)

const version = "1.4.0"

// The events of this program. Names are constants, and what they carry are
// numbers and truths: no name of a user's service can leave by mistake.
var (
	deployStart   = daybook.Define(daybook.Behavioral, "deploy-start")
	deploySuccess = daybook.Define(daybook.Behavioral, "deploy-success")
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout)) }

// run is the program; its result is the exit status.
func run(ctx context.Context, args []string, out io.Writer) (status int) {
	book := openBook()
	defer func() {
		// At most 300 ms, and at once where nobody is there to send to: what is
		// left is on disk then. Only what is lost would be worth a word.
		err := book.Close(ctx)
		if left, ok := errors.AsType[*daybook.UndeliveredError](err); ok && left.Lost > 0 {
			fmt.Fprintln(out, "acme:", err)
		}
	}()
	switch {
	case len(args) == 2 && args[0] == "deploy":
		return deploy(ctx, book, args[1], out) //nolint:gosec // there are two
	case len(args) == 1 && args[0] == "telemetry":
		return telemetry(book, out)
	}
	fmt.Fprintln(out, "usage: acme deploy SERVICE | acme telemetry")
	return 2
}

// openBook opens the client. Without one the program works as well: a nil
// client records nothing.
func openBook() *daybook.Client {
	book, err := daybook.Open(daybook.Config{
		Gateway: cmp.Or(os.Getenv("DAYBOOK_GATEWAY"), "http://127.0.0.1:8080"),
		Service: "acme", Version: version,
		Spool:       daybook.SpoolOptions{Dir: daybook.StateDir("acme")},
		CloseWithin: 300 * time.Millisecond,
		OptOut:      daybook.OptOutEnv("ACME_TELEMETRY_OFF"),
		Logger:      slog.New(slog.DiscardHandler), // the user's terminal is not for our troubles
	})
	if err != nil {
		return nil
	}
	return book
}

func deploy(ctx context.Context, book *daybook.Client, service string, out io.Writer) int {
	start := time.Now()
	deployStart.Record(ctx, book, daybook.Bool("production", service == "production"))
	fmt.Fprintln(out, "deployed", service) // a real program would do something here
	deploySuccess.Record(ctx, book, daybook.Int("took_ms", time.Since(start).Milliseconds()))
	return 0
}

func telemetry(book *daybook.Client, out io.Writer) int {
	if why := book.Disabled(); why != "" {
		fmt.Fprintln(out, "nothing is recorded:", why)
		return 0
	}
	fmt.Fprintln(out, "commands and how long they take are recorded; DO_NOT_TRACK=1 switches that off")
	fmt.Fprintln(out, "events that wait to be sent:", book.Stats().Spooled)
	return 0
}
