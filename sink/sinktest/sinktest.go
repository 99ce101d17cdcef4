// Package sinktest is the suite that every sink passes. A sink's test opens it
// on a real server, or the closest thing there is, and states its promises as
// [Traits]. What a sink does not promise shows as a skipped test, so that none
// is left out in silence.
package sinktest

import (
	"testing"

	"go.uber.org/goleak"

	"daybook.dev"
)

// A Target is a freshly opened sink together with a view of its destination.
// Each test of the suite opens its own, empty one. Whoever opened it closes
// both by t.Cleanup; the suite may have closed the sink by then.
type Target struct {
	Sink daybook.Sink

	// Arrived returns what the destination has, in the order in which it keeps
	// it, once there are at least n; it fails the test when they do not come.
	Arrived func(t *testing.T, n int) []Arrival

	// Break makes the destination fail every write from now on, as when it is
	// down; Mend ends that, and Hang. Nil only where Traits.Unbreakable says why.
	Break, Mend func()

	// Hang makes the destination take requests and answer none. Nil where
	// that cannot be done.
	Hang func()

	// Secrets are what the sink was configured with and no error may show:
	// keys, passwords, the user and query of an address.
	Secrets []string
}

// An Arrival is an event as its reader found it. Text fields are "" and
// Metadata is nil where the destination does not carry them.
type Arrival struct {
	ID       string // what tells the event from others, as Traits.Expect has it
	Name     string
	Metadata []byte // one JSON object, numbers as the destination keeps them; nil and {} are the same
}

// Traits are the promises a sink makes beyond daybook.Sink.
type Traits struct {
	Ordered      bool // events of one Write arrive in order
	Deduplicates bool // the destination recognises an event it has: one arrival for two writes, the first one wins
	Partial      bool // one bad event of a Write is named by a *daybook.PartialError, the others arrive
	ExactNumbers bool // 1e400 and 12345678901234567890.000 arrive as they were written

	// AtLeastOnce says that an event may arrive more than once even though no
	// Write has failed and none was repeated.
	AtLeastOnce bool

	// Expect returns what has to arrive of an event. Nil means its id, name and
	// metadata as they are.
	Expect func(daybook.Event) Arrival

	// Largest is the size in bytes of metadata that still arrives whole. Zero
	// means 1 MiB less 1 KiB: then the event is what a gateway takes by default.
	Largest int

	// Bad makes an event the destination refuses for good, whatever else it
	// takes. Nil where there is none.
	Bad func(daybook.Event) daybook.Event

	// Unbreakable says why the destination cannot be made to fail. "" = it can.
	Unbreakable string

	// Ignore names goroutines that outlive Close because nobody can end them,
	// such as a library's own.
	Ignore []goleak.Option
}

// Run runs the suite.
func Run(t *testing.T, open func(t *testing.T) Target, traits Traits) {
	t.Helper()
	if traits.Largest == 0 {
		traits.Largest = 1<<20 - 1<<10
	}
	if traits.Expect == nil {
		traits.Expect = func(e daybook.Event) Arrival { return Arrival{e.ID, e.Name, e.Metadata} }
	}
	s := suite{open, traits}
	s.delivery(t)
	s.copies(t)
	s.refusals(t)
	s.failures(t)
	s.closing(t)
}

// suite is one run with one sink.
type suite struct {
	open   func(t *testing.T) Target
	traits Traits
}

// run runs one test on a target of its own.
func (s *suite) run(t *testing.T, name string, test func(t *testing.T, d *destination)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { test(t, s.opened(t)) })
}

// promised runs a test of a promise, or shows that it is not made.
func (s *suite) promised(t *testing.T, promise bool, name string, test func(t *testing.T, d *destination)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		if !promise {
			t.Skip("this sink does not promise it")
		}
		test(t, s.opened(t))
	})
}

func (s *suite) opened(t *testing.T) *destination {
	t.Helper()
	d := &destination{Target: s.open(t), traits: &s.traits}
	if d.Sink == nil || d.Arrived == nil {
		t.Fatal("the target has no sink, or no view of its destination")
	}
	if s.traits.Unbreakable == "" && (d.Break == nil || d.Mend == nil) {
		t.Fatal("the target cannot be broken and mended, and Traits.Unbreakable does not say why")
	}
	return d
}
