package postgres

import (
	"context"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/rowwise"
)

// What one statement may carry. Larger Writes are several statements, each
// committed for itself.
const (
	maxRows  = 10_000
	maxBytes = 16 << 20
)

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
	rows := make([]row, 0, len(events))
	var refused []daybook.Outcome
	now := s.now()
	for i := range events {
		r, err := rowOf(&events[i], i, now)
		if err != nil {
			refused = append(refused, rowwise.Refused(&events[i], err))
			continue
		}
		rows = append(rows, r)
	}
	return rowwise.Store(
		rowwise.Divide(rows, row.size, maxRows, maxBytes), refused,
		func(part []row) *daybook.Error { return s.exec(ctx, part) },
		func(r row, err *daybook.Error) *daybook.Error { return s.asText(ctx, r, err) },
	)
}

// asText stores a row whose values the server refuses with its metadata as
// text: jsonb may refuse it in a way that examine does not know.
func (s *Sink) asText(ctx context.Context, r row, err *daybook.Error) *daybook.Error {
	if r.metadata == "" || err.Reason != reasonValue {
		return err
	}
	r.metadata, r.text = "", r.metadata
	again := s.exec(ctx, []row{r})
	if again != nil && sink.Permanent(again) {
		return err // it was something else
	}
	return again
}

// exec runs one insert, which is a transaction of its own.
func (s *Sink) exec(ctx context.Context, rows []row) *daybook.Error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err := s.pool.Exec(ctx, s.insert, arguments(rows)...)
	if err == nil {
		return nil
	}
	e := failure(err)
	if e.Reason == reasonReadOnly {
		// A server that was the primary: the next connection may find the one
		// that is.
		s.pool.Reset()
	}
	return e
}
