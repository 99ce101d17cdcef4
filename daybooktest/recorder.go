// Package daybooktest is for the tests of programs that record events: a
// [Recorder] in place of a client that sends, and a [FakeGateway] that fails as
// it is told.
package daybooktest

import (
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"daybook.dev"
	"daybook.dev/internal/attrs"
	"daybook.dev/internal/direct"
)

// A Recorder is a client that keeps what is recorded, for a test to look at. It
// has no goroutine: when Record returns, Events has the event. Nothing of the
// environment changes what it does, DO_NOT_TRACK included.
type Recorder struct {
	*daybook.Client

	tb   testing.TB
	sink *sink
}

// New returns a recorder that closes itself when the test ends. A test fails
// when an event's name is one of the common types: then name and type were
// exchanged at the call.
func New(tb testing.TB) *Recorder {
	tb.Helper()
	s := &sink{tb: tb}
	c, err := daybook.Open(daybook.Config{
		Sinks:            map[string]daybook.Sink{"recorder": s},
		Settings:         daybook.StaticSettings(daybook.Settings{}),
		IgnoreDoNotTrack: true,
		Logger:           slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close(context.Background()) })
	return &Recorder{Client: c, tb: tb, sink: s}
}

// Events returns the events recorded so far, the oldest first.
func (r *Recorder) Events() []daybook.Event {
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	return slices.Clone(r.sink.events)
}

// Reset forgets the events recorded so far.
func (r *Recorder) Reset() {
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	r.sink.events = nil
}

// Require returns the first event of that name that has all these attributes,
// among others perhaps. Without one the test ends, and says how the events of
// that name differ and what else was recorded.
func (r *Recorder) Require(name string, list ...slog.Attr) daybook.Event {
	r.tb.Helper()
	events := r.Events()
	want := members(list)
	var near [][]string
	for _, e := range events {
		if e.Name != name {
			continue
		}
		differences := differ(want, e)
		if len(differences) == 0 {
			return e
		}
		near = append(near, differences)
	}
	r.tb.Fatal(missing(name, want, events, near))
	return daybook.Event{}
}

// RequireNone ends the test when an event of that name was recorded.
func (r *Recorder) RequireNone(name string) {
	r.tb.Helper()
	for _, e := range r.Events() {
		if e.Name == name {
			r.tb.Fatalf("event %q was recorded, and should not have been:\n  %s", name, describe(e))
		}
	}
}

// A member is an attribute as JSON has it.
type member struct {
	key  string
	json string
}

// members returns attributes as an event would have them.
func members(list []slog.Attr) []member {
	fields, _ := attrs.Fields(list)
	all := make([]member, 0, len(fields))
	for _, f := range fields {
		all = append(all, member{f.Key, string(f.JSON)})
	}
	return all
}

// differ says what an event has otherwise than wanted, one line each.
func differ(want []member, e daybook.Event) (lines []string) {
	var have map[string]json.RawMessage
	_ = json.Unmarshal(e.Metadata, &have) // none is as good as an empty object
	for _, m := range want {
		got, ok := have[m.key]
		switch {
		case !ok:
			lines = append(lines, m.key+": want "+m.json+", absent")
		case !same(string(got), m.json):
			lines = append(lines, m.key+": want "+m.json+", got "+string(got))
		}
	}
	return lines
}

// same compares two JSON values: spaces and the order of members do not count.
func same(a, b string) bool {
	if a == b {
		return true
	}
	var va, vb any
	return decode(a, &va) && decode(b, &vb) && reflect.DeepEqual(va, vb)
}

func decode(text string, into *any) bool {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber() // 9007199254740993 is not 9007199254740992
	return d.Decode(into) == nil
}

// missing explains why no event was what was wanted.
func missing(name string, want []member, events []daybook.Event, near [][]string) string {
	var b strings.Builder
	b.WriteString("no event " + strconv.Quote(name))
	if len(want) > 0 {
		b.WriteString(" with")
		for _, m := range want {
			b.WriteString(" " + m.key + "=" + m.json)
		}
	}
	for i, lines := range near {
		b.WriteString("\n  event " + strconv.Itoa(i+1) + " of that name:")
		for _, line := range lines {
			b.WriteString("\n    " + line)
		}
	}
	if len(events) == 0 {
		b.WriteString("\n  nothing was recorded")
	} else {
		b.WriteString("\n  recorded were:")
	}
	for _, e := range events {
		b.WriteString("\n    " + describe(e))
	}
	return b.String()
}

func describe(e daybook.Event) string {
	text := e.Name
	if e.Type != "" {
		text += " (" + string(e.Type) + ")"
	}
	if e.Actor != "" {
		text += " by " + e.Actor
	}
	if e.Metadata != nil {
		text += " " + string(e.Metadata)
	}
	return text
}

// sink keeps what the client writes, at once.
type sink struct {
	tb testing.TB

	mu     sync.Mutex // guards events
	events []daybook.Event
}

// Direct makes the client write on the goroutine of whoever records.
func (s *sink) Direct(direct.Mark) {}

// Write implements [daybook.Sink].
func (s *sink) Write(_ context.Context, events []daybook.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		switch daybook.Type(e.Name) {
		case daybook.Behavioral, daybook.Metric, daybook.Log:
			s.tb.Errorf("an event is named %q: were name and type exchanged? Record takes the type first", e.Name)
		}
		// The client uses its memory again.
		e.ID, e.Name, e.Type = strings.Clone(e.ID), strings.Clone(e.Name), daybook.Type(strings.Clone(string(e.Type)))
		e.Actor, e.IdempotencyKey = strings.Clone(e.Actor), strings.Clone(e.IdempotencyKey)
		e.Metadata = slices.Clone(e.Metadata)
		s.events = append(s.events, e)
	}
	return nil
}

// Close implements [daybook.Sink].
func (s *sink) Close(context.Context) error { return nil }
