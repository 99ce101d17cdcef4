package postgres

import (
	"context"

	"daybook.dev"
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
	w := &write{sink: s, rows: make([]row, 0, len(events))}
	now := s.now()
	for i := range events {
		r, err := rowOf(&events[i], i, now)
		if err != nil {
			w.failed = append(w.failed, daybook.Outcome{ID: events[i].ID, Status: daybook.Refused, Reason: err.Reason, Err: err})
			continue
		}
		w.rows = append(w.rows, r)
	}
	return w.run(ctx)
}

// A write is one Write under way.
type write struct {
	sink   *Sink
	rows   []row
	stored bool              // some rows are
	failed []daybook.Outcome // what is not, and why
}

// run stores the rows statement by statement. A statement that one of its rows
// makes fail is tried again as two halves, until the row is alone.
func (w *write) run(ctx context.Context) error {
	pending := statements(w.rows)
	for len(pending) > 0 {
		part := pending[0]
		pending = pending[1:]
		err := w.sink.exec(ctx, part)
		switch {
		case err == nil:
			w.stored = true
		case !ofOneRow(err):
			if !w.stored && len(w.failed) == 0 {
				return err // nothing has been decided about any event
			}
			w.fail(err, append([][]row{part}, pending...))
			pending = nil
		case len(part) > 1:
			half := len(part) / 2
			pending = append([][]row{part[:half], part[half:]}, pending...)
		default:
			w.alone(ctx, part[0], err)
		}
	}
	if len(w.failed) > 0 {
		return &daybook.PartialError{Failed: w.failed}
	}
	return nil
}

// alone settles the row that made its statement fail. Where it may be jsonb that
// refuses the metadata, in a way that examine does not know, text is tried.
func (w *write) alone(ctx context.Context, r row, err *daybook.Error) {
	if r.metadata != nil && err.Reason == reasonValue {
		asText := r
		asText.metadata, asText.text = nil, r.event.Metadata
		again := w.sink.exec(ctx, []row{asText})
		if again == nil {
			w.stored = true
			return
		}
		if !ofOneRow(again) {
			err = again // nobody knows whether text would do
		}
	}
	w.fail(err, [][]row{{r}})
}

// fail notes that rows are not stored.
func (w *write) fail(err *daybook.Error, parts [][]row) {
	status := daybook.Failed
	if ofOneRow(err) {
		status = daybook.Refused
	}
	for _, part := range parts {
		for i := range part {
			own := *err
			own.Index = part[i].index
			w.failed = append(w.failed, daybook.Outcome{ID: part[i].event.ID, Status: status, Reason: own.Reason, Err: &own})
		}
	}
}

// statements divides rows into as few parts as one statement each can carry.
func statements(rows []row) (parts [][]row) {
	from, bytes := 0, 0
	for i := range rows {
		size := rows[i].size()
		if i > from && (i-from == maxRows || bytes+size > maxBytes) {
			parts = append(parts, rows[from:i])
			from, bytes = i, 0
		}
		bytes += size
	}
	if from < len(rows) {
		parts = append(parts, rows[from:])
	}
	return parts
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
