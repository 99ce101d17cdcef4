package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/ledger"
)

func newLedger(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ledger",
		Short: "Show the account of every caller and destination",
		Long: "Show what became of every event, since the data directory was made:\n\n" +
			"  per caller       received = stored + duplicate + dropped + refused + failed\n" +
			"  per destination  stored = delivered + queued + dead + filtered + evicted\n\n" +
			"The account is exact, also after a crash: a kill loses at most what a second has not stored, on both\n" +
			"sides. With -o json each row is an object: {\"caller\",\"received\",\"stored\",\"duplicate\",\"dropped\",\n" +
			"\"refused\",\"failed\"} or {\"destination\",\"stored\",\"delivered\",\"queued\",\"dead\",\"filtered\",\"evicted\"}.\n" +
			"The exit status is 1 when something is out of balance.",
		Example: "  daybook ledger\n" +
			"  daybook ledger -o json | jq 'select(.queued > 0)'",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.ledger(cmd.Context()) },
	}
}

// An account is the answer of GET /v1/ledger. The rows are printed as they came,
// so that a newer gateway's are complete.
type account struct {
	Callers      []jsontext.Value `json:"callers"`
	Destinations []jsontext.Value `json:"destinations"`
	Counting     bool             `json:"counting"`
	Imbalance    uint64           `json:"imbalance"`
}

func (a *app) ledger(ctx context.Context) error {
	k, err := a.asker()
	if err != nil {
		return err
	}
	var all account
	if err := k.object(ctx, http.MethodGet, "/v1/ledger", nil, &all); err != nil {
		return err
	}
	if a.json() {
		err = printLines(a.stdout, append(all.Callers, all.Destinations...))
	} else {
		err = a.printAccount(all)
	}
	if err != nil {
		return err
	}
	if all.Counting {
		fmt.Fprintln(a.stderr, "daybook: events stored before the gateway was started are still being counted; ask again")
	}
	if all.Imbalance > 0 {
		return fmt.Errorf("out of balance by %d events: that is a mistake in Daybook; please report it with what this command prints", all.Imbalance)
	}
	return nil
}

func (a *app) printAccount(all account) error {
	callers, err := decodeAll[ledger.Caller](all.Callers)
	if err != nil {
		return err
	}
	destinations, err := decodeAll[ledger.Destination](all.Destinations)
	if err != nil {
		return err
	}
	if len(callers)+len(destinations) == 0 {
		a.hint("Nothing was received yet.")
		return nil
	}
	printCallers(a.stdout, callers)
	if len(destinations) > 0 {
		fmt.Fprintln(a.stdout)
		printDestinations(a.stdout, destinations)
	}
	if all.Imbalance == 0 {
		fmt.Fprintln(a.stdout, "\nin balance")
	}
	return nil
}

func printCallers(w io.Writer, callers []ledger.Caller) {
	t := numbers{[][]string{{"CALLER", "RECEIVED", "STORED", "DUPLICATE", "DROPPED", "REFUSED", "FAILED"}}}
	total := ledger.Caller{Caller: "total"}
	for _, c := range callers {
		t.add(c.Caller, c.Received, c.Stored, c.Duplicate, c.Dropped, c.Refused, c.Failed)
		total.Received += c.Received
		total.Stored += c.Stored
		total.Duplicate += c.Duplicate
		total.Dropped += c.Dropped
		total.Refused += c.Refused
		total.Failed += c.Failed
	}
	if len(callers) > 1 {
		t.add(total.Caller, total.Received, total.Stored, total.Duplicate, total.Dropped, total.Refused, total.Failed)
	}
	t.print(w)
}

func printDestinations(w io.Writer, destinations []ledger.Destination) {
	t := numbers{[][]string{{"DESTINATION", "STORED", "DELIVERED", "QUEUED", "DEAD", "FILTERED", "EVICTED"}}}
	for _, d := range destinations {
		t.add(d.Destination, d.Stored, d.Delivered, d.Queued, d.Dead, d.Filtered, d.Evicted)
	}
	t.print(w)
}

func decodeAll[T any](texts []jsontext.Value) ([]T, error) {
	all := make([]T, len(texts))
	for i := range texts {
		if err := json.Unmarshal(texts[i], &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// numbers is a table whose first column is names and whose others are numbers,
// which stand right. The first row is the header.
type numbers struct{ rows [][]string }

func (t *numbers) add(name string, values ...uint64) {
	row := []string{cell(name)}
	for _, v := range values {
		row = append(row, strconv.FormatUint(v, 10))
	}
	t.rows = append(t.rows, row)
}

func (t *numbers) print(w io.Writer) {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	for _, row := range t.rows {
		fmt.Fprintf(w, "%-*s", widths[0], row[0])
		for i, text := range row[1:] {
			fmt.Fprintf(w, "  %*s", widths[i+1], text)
		}
		fmt.Fprintln(w)
	}
}
