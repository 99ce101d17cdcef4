package daybook

import (
	"context"
	"log/slog"
)

// constant is a text that can only be written in the source: no variable of
// another package has this type, so what a user typed cannot become one.
type constant string

// A Definition is a kind of event that a program records. See [Define].
type Definition struct {
	typ  Type
	name string
}

// Define names a kind of event once, where it can be found:
//
//	var OrderPaid = daybook.Define(daybook.Behavioral, "order-paid")
//
// The name must be a literal or an untyped constant; a variable does not
// compile. So name and type cannot be exchanged at the call, and no text from
// outside can become an event's name.
func Define(t Type, name constant) Definition { return Definition{typ: t, name: string(name)} }

// Name returns the event's name.
func (d Definition) Name() string { return d.name }

// Type returns the event's type.
func (d Definition) Type() Type { return d.typ }

// Record records an event of this kind. See [Client.Record].
func (d Definition) Record(ctx context.Context, c *Client, data ...Datum) {
	var few [16]slog.Attr
	list := few[:0]
	for _, datum := range data {
		list = append(list, datum.attr)
	}
	c.record(ctx, entry{typ: d.typ, name: d.name}, list)
}

// A Datum is an attribute whose key stands in the source and whose value is a
// number or a truth, so that neither code nor names nor paths can leak by it.
// [ReviewedString] is the exception, and says so.
type Datum struct{ attr slog.Attr }

// Int is a whole number.
func Int(key constant, v int64) Datum { return Datum{slog.Int64(string(key), v)} }

// Float is a number.
func Float(key constant, v float64) Datum { return Datum{slog.Float64(string(key), v)} }

// Bool is a truth.
func Bool(key constant, v bool) Datum { return Datum{slog.Bool(string(key), v)} }

// ReviewedString is a text that somebody has looked at and found to be neither
// code nor a path nor anything a user would not want to be sent.
func ReviewedString(key constant, v string) Datum { return Datum{slog.String(string(key), v)} }
