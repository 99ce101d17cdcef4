package spanner

import (
	"context"

	"cloud.google.com/go/spanner/apiv1/spannerpb"
	"google.golang.org/protobuf/types/known/structpb"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/rowwise"
)

// maxBytes bounds a commit, far below Spanner's 100 MB. Larger Writes are
// several commits.
const maxBytes = 16 << 20

// Write inserts events that the table does not have yet. Nil means that all of
// them are committed, by this Write or by an earlier one. An event without an
// ID is given a new one at every Write; without a time, and from no gateway, it
// happened now.
func (s *Sink) Write(ctx context.Context, events []daybook.Event) error {
	ctx, leave, err := s.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	rows, refused, failed := s.rows(ctx, events)
	if failed != nil {
		return failed
	}
	w := write{sink: s}
	return rowwise.Store(
		rowwise.Divide(rows, row.size, s.maxRows, maxBytes), refused,
		func(part []row) *daybook.Error { return w.store(ctx, part) },
		func(r row, err *daybook.Error) *daybook.Error { return w.asText(ctx, r, err) },
	)
}

// rows returns the rows of events, each key once, and the outcomes of those
// that no table can take. The error is about looking at the table, and then
// nothing is decided.
func (s *Sink) rows(ctx context.Context, events []daybook.Event) (rows []row, refused []daybook.Outcome, err *daybook.Error) {
	rows = make([]row, 0, len(events))
	known := make(map[string]struct{}, len(events))
	now := s.now()
	for i := range events {
		r, why := rowOf(&events[i], i, now)
		if why == nil {
			if why, err = s.place(ctx, &r); err != nil {
				return nil, nil, err
			}
		}
		if why != nil {
			refused = append(refused, rowwise.Refused(&events[i], why))
			continue
		}
		if _, twice := known[r.key]; !twice { // the first one wins
			known[r.key] = struct{}{}
			rows = append(rows, r)
		}
	}
	return rows, refused, nil
}

// place decides where the metadata goes, and says why where it cannot go
// anywhere. The error is about looking at the table.
func (s *Sink) place(ctx context.Context, r *row) (why, err *daybook.Error) {
	why = Storable(r.event.Metadata)
	if why == nil {
		return nil, nil
	}
	if r.text, err = s.text.there(ctx, s); err != nil || r.text {
		return nil, err
	}
	why.Index = r.index
	return why, nil
}

// A write is one Write under way.
type write struct {
	sink   *Sink
	looked bool // at the table's shape
}

// store stores rows that one commit can carry. Where Spanner refuses a value,
// either the row or the table is wrong, in the same words: so the table is
// looked at, once.
func (w *write) store(ctx context.Context, rows []row) *daybook.Error {
	err := w.sink.insert(ctx, rows)
	if err == nil || err.Reason != reasonValue || w.looked {
		return err
	}
	w.looked = true
	gaps, unseen := w.sink.gaps(ctx)
	if unseen != nil || len(gaps) == 0 {
		return err
	}
	return &daybook.Error{Code: daybook.Unimplemented, Where: where, Reason: "table_shape", Message: gaps[0].text, Err: err.Err}
}

// asText stores a row whose value Spanner refuses with its metadata as text,
// where the table has room for it: JSON may be refused in a way that Storable
// does not know.
func (w *write) asText(ctx context.Context, r row, err *daybook.Error) *daybook.Error {
	if err.Reason != reasonValue || r.text || len(r.event.Metadata) == 0 {
		return err
	}
	if there, unseen := w.sink.text.there(ctx, w.sink); unseen != nil || !there {
		return err
	}
	r.text = true
	again := w.store(ctx, []row{r})
	if again != nil && sink.Permanent(again) {
		return err // it was something else
	}
	return again
}

// insert commits rows, less those that are there.
func (s *Sink) insert(ctx context.Context, rows []row) *daybook.Error {
	err := s.commit(ctx, rows)
	// Each turn ends it, or finds that somebody has inserted others meanwhile.
	for turn := 0; err != nil && err.Reason == reasonExists; turn++ {
		missing, unread := s.missing(ctx, rows)
		switch {
		case unread != nil:
			return unread
		case len(missing) == 0:
			return nil
		case len(missing) == len(rows) || turn == attempts:
			return &daybook.Error{
				Code: daybook.Conflict, Where: where, Reason: "unique_violated",
				Message: "another row has a value that must be unique", Err: err.Err,
			}
		}
		rows = missing
		err = s.commit(ctx, rows)
	}
	return err
}

// commit inserts rows in a transaction of its own. All are committed, or none.
func (s *Sink) commit(ctx context.Context, rows []row) *daybook.Error {
	mutation := insertion(s.config.Table, rows)
	_, err := call(ctx, s.client, func(ctx context.Context, session string) (*spannerpb.CommitResponse, error) {
		return s.client.api.Commit(ctx, &spannerpb.CommitRequest{
			Session: session,
			Transaction: &spannerpb.CommitRequest_SingleUseTransaction{SingleUseTransaction: &spannerpb.TransactionOptions{
				Mode: &spannerpb.TransactionOptions_ReadWrite_{ReadWrite: &spannerpb.TransactionOptions_ReadWrite{}},
			}},
			Mutations: []*spannerpb.Mutation{mutation},
		}, noRetry)
	})
	if err != nil && err.Reason == "table_missing" {
		s.text.forget() // it may be the column that is gone
	}
	return err
}

// missing returns the rows that the table does not have, as of now.
func (s *Sink) missing(ctx context.Context, rows []row) ([]row, *daybook.Error) {
	keys := make([]*structpb.ListValue, len(rows))
	for i, r := range rows {
		keys[i] = &structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue(r.key)}}
	}
	result, err := call(ctx, s.client, func(ctx context.Context, session string) (*spannerpb.ResultSet, error) {
		return s.client.api.Read(ctx, &spannerpb.ReadRequest{
			Session: session,
			Table:   s.config.Table,
			Columns: []string{keyName},
			KeySet:  &spannerpb.KeySet{Keys: keys},
		}, noRetry) // without a transaction: a strong read of its own
	})
	if err != nil {
		return nil, err
	}
	there := make(map[string]struct{}, len(result.Rows))
	for _, r := range result.Rows {
		there[r.Values[0].GetStringValue()] = struct{}{}
	}
	var left []row
	for _, r := range rows {
		if _, ok := there[r.key]; !ok {
			left = append(left, r)
		}
	}
	return left, nil
}
