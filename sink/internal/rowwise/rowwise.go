// Package rowwise is what the sinks of databases have in common: a Write is
// stored in parts, and a part that one of its rows makes fail is divided until
// the row is alone.
package rowwise

import (
	"strings"
	"unicode/utf8"

	"daybook.dev"
	"daybook.dev/sink"
)

// A Row is an event on its way into a table.
type Row interface {
	// Event returns the event, and its index in the Write.
	Event() (e *daybook.Event, index int)
}

// Refused returns the outcome of an event that no table takes.
func Refused(e *daybook.Event, why *daybook.Error) daybook.Outcome { return sink.Failure(e.ID, why) }

// Divide divides rows into as few parts as one request each can carry.
func Divide[R any](rows []R, size func(R) int, maxRows, maxBytes int) (parts [][]R) {
	from, bytes := 0, 0
	for i := range rows {
		n := size(rows[i])
		if i > from && (i-from == maxRows || bytes+n > maxBytes) {
			parts = append(parts, rows[from:i])
			from, bytes = i, 0
		}
		bytes += n
	}
	if from < len(rows) {
		parts = append(parts, rows[from:])
	}
	return parts
}

// Store stores parts one after the other and returns what Write has to: nil
// when every row is stored and nothing was refused before. The function store is
// all or nothing for its part; a permanent error of it (sink.Permanent) means
// that without one of the rows the others would have been stored. Where that
// row is alone, last is asked: nil means that it found a way.
func Store[R Row](parts [][]R, refused []daybook.Outcome, store func([]R) *daybook.Error, last func(R, *daybook.Error) *daybook.Error) error {
	failed, stored := refused, false
	for len(parts) > 0 {
		part := parts[0]
		parts = parts[1:]
		err := store(part)
		if err != nil && sink.Permanent(err) && len(part) > 1 {
			half := len(part) / 2
			parts = append([][]R{part[:half], part[half:]}, parts...)
			continue
		}
		if err != nil && sink.Permanent(err) {
			err = last(part[0], err)
		}
		switch {
		case err == nil:
			stored = true
		case sink.Permanent(err):
			failed = appendFailed(failed, err, part)
		case !stored && len(failed) == 0:
			return err // nothing has been decided about any event
		default:
			return &daybook.PartialError{Failed: appendFailed(failed, err, append([][]R{part}, parts...)...)}
		}
	}
	if len(failed) > 0 {
		return &daybook.PartialError{Failed: failed}
	}
	return nil
}

// appendFailed appends the outcomes of rows that are not stored.
func appendFailed[R Row](failed []daybook.Outcome, err *daybook.Error, parts ...[]R) []daybook.Outcome {
	for _, part := range parts {
		for _, r := range part {
			own := *err
			e, index := r.Event()
			own.Index = index
			failed = append(failed, sink.Failure(e.ID, &own))
		}
	}
	return failed
}

// A Member is a text of an event, by the name of its column.
type Member struct{ Name, Text string }

// NotUTF8 names the first member that is not valid UTF-8, or contains one of
// forbidden; "" means that there is none.
func NotUTF8(members []Member, forbidden string) string {
	for _, m := range members {
		if !utf8.ValidString(m.Text) || strings.ContainsAny(m.Text, forbidden) {
			return m.Name
		}
	}
	return ""
}
