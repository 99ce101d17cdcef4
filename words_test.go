package daybook_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"daybook.dev"
)

func TestZeroValuesPromiseNothing(t *testing.T) {
	var o daybook.Outcome
	if o.Status != daybook.Unknown || o.Status.String() != "unknown" {
		t.Errorf("the zero Outcome reads %q, want unknown", o.Status)
	}
	if o.Durability != daybook.NotDurable || o.Durability.String() != "none" {
		t.Errorf("the zero Outcome is durable to %q, want none", o.Durability)
	}
	if got := daybook.CodeOf(&daybook.Error{}); got != daybook.Internal {
		t.Errorf("an Error nobody filled in has code %v, want internal", got)
	}
	if got := (&daybook.Error{}).Error(); got != "internal" {
		t.Errorf("an Error nobody filled in reads %q, want internal", got)
	}
	if got := (&daybook.PartialError{}).Error(); got == "" {
		t.Error("an empty PartialError has no text")
	}
}

func TestWordsSurviveJSON(t *testing.T) {
	for s := daybook.Unknown; s <= daybook.Failed; s++ {
		if got := throughJSON(t, s); got != s {
			t.Errorf("status %v came back as %v", s, got)
		}
	}
	for d := daybook.NotDurable; d <= daybook.Confirmed; d++ {
		if got := throughJSON(t, d); got != d {
			t.Errorf("durability %v came back as %v", d, got)
		}
	}
	for c := daybook.OK; c <= daybook.Internal; c++ {
		if got := throughJSON(t, c); got != c {
			t.Errorf("code %v came back as %v", c, got)
		}
	}
}

func throughJSON[T any](t *testing.T, v T) T {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return back
}

func TestWordsOfANewerVersionAreNeverASuccess(t *testing.T) {
	var s daybook.Status = daybook.Stored
	if err := s.UnmarshalText([]byte("enshrined")); err != nil || s != daybook.Unknown {
		t.Errorf("an unknown status word gives %v, %v; want unknown", s, err)
	}
	var d daybook.Durability = daybook.Fsynced
	if err := d.UnmarshalText([]byte("carved")); err != nil || d != daybook.NotDurable {
		t.Errorf("an unknown durability word gives %v, %v; want none", d, err)
	}
	var c daybook.Code
	if err := c.UnmarshalText([]byte("cursed")); err != nil || c != daybook.Internal {
		t.Errorf("an unknown code word gives %v, %v; want internal", c, err)
	}
	if got := daybook.Status(200).String(); got != "unknown" {
		t.Errorf("a status outside the list reads %q, want unknown", got)
	}
}

func TestCodeOfLooksThroughTheChain(t *testing.T) {
	denied := &daybook.Error{Code: daybook.Denied}
	var none *daybook.Error
	for _, c := range []struct {
		name string
		err  error
		want daybook.Code
	}{
		{"nil is OK", nil, daybook.OK},
		{"an error without a code is internal", io.EOF, daybook.Internal},
		{"a wrapped Error keeps its code", errors.Join(io.EOF, denied), daybook.Denied},
		{
			"a PartialError has the code of its first failure",
			&daybook.PartialError{Failed: []daybook.Outcome{{ID: "a"}, {ID: "b", Err: denied}}}, daybook.Denied,
		},
		{"closed is unavailable", daybook.ErrClosed, daybook.Unavailable},
		{"a typed nil is internal", none, daybook.Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := daybook.CodeOf(c.err); got != c.want {
				t.Errorf("CodeOf = %v, want %v", got, c.want)
			}
		})
	}
}

func TestErrorsReadWhereMessageCause(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&daybook.Error{Where: "journal", Message: "the disk is full", Err: io.ErrShortWrite}, "journal: the disk is full: short write"},
		{&daybook.Error{Reason: "blank_name"}, "blank_name"},
		{&daybook.Error{Code: daybook.Denied, RetryAfter: time.Second}, "denied"},
		{(*daybook.Error)(nil), "<nil>"},
		{&daybook.PartialError{Failed: []daybook.Outcome{{ID: "a", Err: io.EOF}, {ID: "b"}}}, `2 events failed, first "a": EOF`},
		{&daybook.PartialError{Failed: []daybook.Outcome{{ID: "a"}}}, `1 events failed, first "a"`},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestDiscardTakesEverything(t *testing.T) {
	ctx := context.Background()
	if err := daybook.Discard.Write(ctx, []daybook.Event{{Name: "a"}}); err != nil {
		t.Error(err)
	}
	if err := daybook.Discard.Close(ctx); err != nil {
		t.Error(err)
	}
}
