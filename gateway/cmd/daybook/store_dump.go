package main

import (
	"bufio"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
)

func newStoreDump(a *app) *cobra.Command {
	var events bool
	cmd := &cobra.Command{
		Use:   "dump",
		Short: "Print every record, oldest first",
		Long: "Print every record, oldest first, one JSON object per line whatever -o says. An event is the\n" +
			"row that `daybook tail -o json` prints. Other records have a \"kind\", and the event they are\n" +
			"about under \"event\"; --events leaves them out.",
		Example: "  daybook store dump --events --data ./copy | daybook send -",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.place()
			if err != nil {
				return err
			}
			out := bufio.NewWriterSize(a.stdout, 64<<10)
			var row []byte
			err = journal.Dump(c.Data, func(e store.Entry) error {
				if events && e.Kind != store.KindEvent {
					return nil
				}
				var err error
				if row, err = appendRecord(row[:0], e); err != nil {
					return err
				}
				_, err = out.Write(append(row, '\n'))
				return err
			})
			if flushed := out.Flush(); err == nil {
				err = flushed
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&events, "events", false, "print events only, as send takes them")
	return cmd
}

// appendRecord appends any record as JSON.
func appendRecord(dst []byte, e store.Entry) ([]byte, error) {
	if e.Kind == store.KindEvent {
		return query.AppendRow(dst, e), nil
	}
	row := otherRow{Kind: e.Kind.String(), Position: e.Position}
	if f := e.Refusal; f != nil {
		row.Refusal = &refusalRow{f.Destination, f.Attempts, f.Code.String(), f.Reason, f.Field, f.Message}
	}
	if s := e.Settlement; s != nil {
		row.Settlement = &settlementRow{s.Position, s.Destination, s.Status.String(), s.Reason}
	}
	for _, c := range e.Summary {
		row.Summary = append(row.Summary, countRow{c.Caller, c.Status.String(), c.Reason, c.Events})
	}
	if e.Event.ID != "" {
		row.Event = query.AppendRow(nil, e)
	}
	text, err := json.Marshal(row)
	return append(dst, text...), err
}

// otherRow is a record that is no event. Which members it has depends on its
// kind.
type otherRow struct {
	Kind       string         `json:"kind"`
	Position   store.Position `json:"position"`
	Event      jsontext.Value `json:"event,omitzero"`
	Refusal    *refusalRow    `json:"refusal,omitzero"`
	Settlement *settlementRow `json:"settlement,omitzero"`
	Summary    []countRow     `json:"summary,omitzero"`
}

type refusalRow struct {
	Destination string `json:"destination,omitzero"`
	Attempts    uint32 `json:"attempts"`
	Code        string `json:"code"`
	Reason      string `json:"reason"`
	Field       string `json:"field,omitzero"`
	Message     string `json:"message"`
}

type settlementRow struct {
	Position    store.Position `json:"position"`
	Destination string         `json:"destination"`
	Status      string         `json:"status"`
	Reason      string         `json:"reason,omitzero"`
}

type countRow struct {
	Caller string `json:"caller"`
	Status string `json:"status"`
	Reason string `json:"reason,omitzero"`
	Events uint64 `json:"events"`
}
