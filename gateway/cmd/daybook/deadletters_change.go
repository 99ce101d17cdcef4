package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/store"
)

func newDeadLettersRetry(a *app) *cobra.Command {
	return newDeadLettersChange(a, "retry", &cobra.Command{
		Use:   "retry [POSITION]...",
		Short: "Hand the events of dead letters to their destinations again",
		Long: "Hand the events of dead letters to their destinations again, each once, the oldest first. What is\n" +
			"delivered is no dead letter any more; what is refused again stays one, with the new reason. Where a\n" +
			"destination fails as a whole the rest is not tried. Positions and flags say which are meant; say\n" +
			"--all for every one.\n\n" +
			"With -o json an object for each that stays a dead letter, {\"position\",\"destination\",\"event_id\",\n" +
			"\"result\",\"code\",\"reason\",\"message\"}, and last the counts, {\"results\"}. The exit status is 0 when\n" +
			"everything that was meant is delivered.",
		Example: "  daybook deadletters retry 4711\n" +
			"  daybook deadletters retry --destination warehouse --reason table_missing",
	})
}

func newDeadLettersDrop(a *app) *cobra.Command {
	return newDeadLettersChange(a, "drop", &cobra.Command{
		Use:   "drop [POSITION]...",
		Short: "Give up dead letters",
		Long: "Give up dead letters: nobody will deliver them any more. That is noted in the journal; the events\n" +
			"themselves stay there for as long as they are kept, and a replay can still deliver them. Positions\n" +
			"and flags say which are meant; say --all for every one.\n\n" +
			"With -o json last the counts, {\"results\"}.",
		Example: "  daybook deadletters drop 4711 4712 --destination warehouse\n" +
			"  daybook deadletters drop --own --until 30d",
	})
}

// newDeadLettersChange completes a command that changes what its flags mean.
func newDeadLettersChange(a *app, verb string, cmd *cobra.Command) *cobra.Command {
	var f letterFlags
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		filter, err := f.filter(args)
		if err != nil {
			return err
		}
		if err := checkMeant(filter, cmd.Flags().Changed("limit")); err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return a.changeDeadLetters(ctx, verb, filter)
	}
	f.declare(a, cmd)
	cmd.Flags().BoolVar(&f.All, "all", false, "every dead letter")
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 0, "at most `N`, the oldest (default all)")
	return cmd
}

// checkMeant refuses what was forgotten to be said, before anything is asked.
func checkMeant(f deadletter.Filter, limited bool) error {
	narrow := f
	narrow.All, narrow.Limit = false, 0
	narrows := len(parameters(narrow)) > 0 || len(f.Positions) > 0
	switch {
	case !f.All && !narrows:
		return wrongUsage("say which dead letters are meant: positions, a flag such as --destination, or --all")
	case f.All && narrows:
		return wrongUsage("--all means every dead letter: leave it out, or the other flags and positions")
	case limited && f.Limit < 1:
		return wrongUsage("--limit: %d is not a number of dead letters", f.Limit)
	case len(f.Positions) > 1000:
		return wrongUsage("more than 1000 positions: name them with flags")
	}
	return nil
}

// callDeadLetters is how many dead letters one call is about at most.
const callDeadLetters = 10_000

// changeDeadLetters calls the gateway until everything that was meant in the
// beginning had its turn.
func (a *app) changeDeadLetters(ctx context.Context, verb string, f deadletter.Filter) error {
	k, err := a.asker()
	if err != nil {
		return err
	}
	c := &letterChange{app: a, results: map[string]int{}, out: bufio.NewWriter(a.stdout)}
	left := f.Limit // 0 = all that there are in the beginning
	for {
		f.Limit = callDeadLetters
		if left > 0 {
			f.Limit = min(left, callDeadLetters)
		}
		s, err := c.call(ctx, k, verb, f)
		if err != nil {
			return c.fail(err)
		}
		if left == 0 {
			left = s.Matched
		}
		left -= s.Matched - s.Remaining
		if failing := s.Results[string(deadletter.NotTried)] > 0; failing || s.Remaining == 0 || left <= 0 {
			return c.finish()
		}
		f.After = s.Last
	}
}

// A letterChange tells what becomes of dead letters.
type letterChange struct {
	app     *app
	out     *bufio.Writer
	results map[string]int
	before  int // of earlier calls

	progress bool // the cursor is on the line of the progress
}

// A changeSummary is the last line of an answer.
type changeSummary struct {
	Matched   int            `json:"matched"`
	Remaining int            `json:"remaining"`
	Last      store.Position `json:"last"`
	Results   map[string]int `json:"results"`
}

// call makes one call and tells its lines.
func (c *letterChange) call(ctx context.Context, k asker, verb string, f deadletter.Filter) (changeSummary, error) {
	response, err := k.ask(ctx, http.MethodPost, "/v1/deadletters/"+verb, f)
	if err != nil {
		return changeSummary{}, err
	}
	defer response.Body.Close()
	lines := jsontext.NewDecoder(response.Body)
	for {
		text, err := lines.ReadValue()
		if err != nil {
			return changeSummary{}, cutOff(ctx, err)
		}
		var l struct {
			Summary *changeSummary `json:"summary"`
			Done    int            `json:"done"`
			Result  string         `json:"result"`
			Error   struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if err := json.Unmarshal(text, &l); err != nil {
			return changeSummary{}, err
		}
		switch {
		case l.Summary != nil:
			for result, n := range l.Summary.Results {
				c.results[result] += n
				c.before += n
			}
			if l.Error.Message != "" {
				return *l.Summary, errors.New(printable(l.Error.Message))
			}
			return *l.Summary, nil
		case l.Result != "":
			if err := c.stays(text); err != nil {
				return changeSummary{}, err
			}
		default:
			c.showProgress(c.before + l.Done)
		}
	}
}

// cutOff is what it means when an answer ends without a summary.
func cutOff(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted: `daybook deadletters list` shows what is left")
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("the answer was cut off: %w; `daybook deadletters list` shows what is left", err)
}

// stays tells of one that stays a dead letter.
func (c *letterChange) stays(text jsontext.Value) error {
	c.clear()
	if c.app.json() {
		return printLines(c.out, []jsontext.Value{text.Clone()})
	}
	var r struct {
		letterRow
		Result string `json:"result"`
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s  %d  %s  %s", strings.ReplaceAll(r.Result, "_", " "), r.Position, cell(r.Destination), printable(r.EventID))
	if r.Reason != "" || r.Message != "" {
		fmt.Fprintf(c.out, "  %s: %s", cell(r.Reason), printable(r.Message))
	}
	return c.out.WriteByte('\n')
}

// showProgress says how far it is, on a terminal.
func (c *letterChange) showProgress(done int) {
	if !c.app.stderrIsTerminal {
		return
	}
	_ = c.out.Flush() // the end reports it again
	c.progress = true
	fmt.Fprintf(c.app.stderr, "\r\x1b[K%d dead letters", done)
}

// clear takes the progress off the screen.
func (c *letterChange) clear() {
	if c.progress {
		c.progress = false
		fmt.Fprint(c.app.stderr, "\r\x1b[K")
	}
}

// fail prints what was done before err, if anything was.
func (c *letterChange) fail(err error) error {
	c.clear()
	if len(c.results) > 0 {
		_ = c.finish() // err says more
	}
	_ = c.out.Flush()
	return err
}

// letterResults in the order in which they are told; the first two close a dead
// letter.
var letterResults = [...]string{
	string(deadletter.Delivered), string(deadletter.Dropped), string(deadletter.Failed),
	string(deadletter.NotKept), string(deadletter.NotTried), string(deadletter.NoDestination),
}

// finish prints the counts. The error says that some stay dead letters.
func (c *letterChange) finish() error {
	c.clear()
	stay := 0
	var parts []string
	for i, r := range letterResults {
		n := c.results[r]
		if i > 1 {
			stay += n
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, strings.ReplaceAll(r, "_", " ")))
		}
	}
	if c.app.json() {
		if err := printJSON(c.out, map[string]any{"results": c.results}); err != nil {
			return err
		}
	} else {
		if len(parts) == 0 {
			parts = []string{"no dead letter is meant by that"}
		}
		fmt.Fprintln(c.out, strings.Join(parts, ", "))
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	if stay > 0 {
		return errReported
	}
	return nil
}
