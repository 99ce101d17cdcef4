package sinktest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"daybook.dev"
)

// destination is a target under test.
type destination struct {
	Target
	traits *Traits
}

// patience bounds every Write of the suite: with a destination that works it
// is never used up.
const patience = time.Minute

// write writes copies of events, destroys the copies as soon as Write has
// returned, and looks into the error for what must not be there.
func (d *destination) write(ctx context.Context, t *testing.T, events ...daybook.Event) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lent := clone(events)
	err := d.Sink.Write(ctx, lent)
	poison(lent)
	d.checkError(t, events, err)
	return err
}

// mustWrite is write for events that have to be taken.
func (d *destination) mustWrite(t *testing.T, events ...daybook.Event) {
	t.Helper()
	if err := d.write(t.Context(), t, events...); err != nil {
		t.Fatalf("Write of %d events: %v", len(events), err)
	}
}

// checkError fails the test when an error shows what it must not, or when a
// partial error is not about the events that were written.
func (d *destination) checkError(t *testing.T, written []daybook.Event, err error) {
	t.Helper()
	if err == nil {
		return
	}
	CheckText(t, err, d.Secrets...)
	partial, ok := errors.AsType[*daybook.PartialError](err)
	if !ok {
		return
	}
	if len(partial.Failed) == 0 {
		t.Error("the partial error names nobody")
	}
	ids := map[string]int{}
	for _, e := range written {
		ids[e.ID]++
	}
	for _, o := range partial.Failed {
		if ids[o.ID]--; ids[o.ID] < 0 {
			t.Errorf("the partial error names %q, which was not written, or more often than it was written", o.ID)
		}
		if o.Err == nil || o.Status != daybook.Refused && o.Status != daybook.Failed && o.Status != daybook.Unknown {
			t.Errorf("the partial error's outcome of %q is %v with error %v: want refused, failed or unknown, and why", o.ID, o.Status, o.Err)
		}
	}
}

// CheckText fails the test when the text of err, or of one of the outcomes in
// it, has the suite's canary or one of secrets in it.
func CheckText(t *testing.T, err error, secrets ...string) {
	t.Helper()
	texts := []string{err.Error()}
	if partial, ok := errors.AsType[*daybook.PartialError](err); ok {
		for _, o := range partial.Failed {
			texts = append(texts, o.Reason)
			if o.Err != nil {
				texts = append(texts, o.Err.Error())
			}
		}
	}
	for _, text := range texts {
		for _, secret := range append([]string{Canary}, secrets...) {
			if secret != "" && strings.Contains(text, secret) {
				t.Errorf("the error shows %q, which is nobody's to read: %s", secret, text)
			}
		}
	}
}

// Permanent reports whether err is of the class that sets events aside.
func Permanent(err error) bool {
	switch daybook.CodeOf(err) {
	case daybook.Invalid, daybook.TooLarge, daybook.Conflict:
		return true
	}
	return false
}

// Passing reports whether err is of a class that goes away by itself:
// transient or throttled.
func Passing(err error) bool {
	switch daybook.CodeOf(err) {
	case daybook.OK, daybook.Unauthenticated, daybook.Denied, daybook.Unimplemented:
		return false
	}
	return !Permanent(err)
}
