package sinktest

import (
	"errors"
	"testing"

	"daybook.dev"
)

func (s *suite) refusals(t *testing.T) {
	if s.traits.Bad == nil {
		t.Run("a bad event is refused for good", func(t *testing.T) {
			if s.traits.Partial {
				t.Fatal("Traits.Partial is promised, and without Traits.Bad nothing proves it")
			}
			t.Skip("the destination refuses no event for good")
		})
		return
	}
	s.run(t, "a bad event alone is refused for good", func(t *testing.T, d *destination) {
		if err := d.write(t.Context(), t, s.traits.Bad(Event("bad"))); !Permanent(err) {
			t.Errorf("error is %v (%v), want a permanent one", err, daybook.CodeOf(err))
		}
		d.arrived(t)
	})
	s.promised(t, s.traits.Partial, "a bad event among good ones is named, and the others arrive", s.testNamed)
	if !s.traits.Partial {
		s.run(t, "a bad event fails its batch for good, and alone the others arrive", s.testIsolated)
	}
}

func (s *suite) testNamed(t *testing.T, d *destination) {
	events := Events("e", 5)
	events[1], events[3] = s.traits.Bad(events[1]), s.traits.Bad(events[3])
	err := d.write(t.Context(), t, events...)
	partial, ok := errors.AsType[*daybook.PartialError](err)
	if !ok {
		t.Fatalf("error is %v, want a *daybook.PartialError", err)
	}
	failed := map[string]bool{}
	for _, o := range partial.Failed {
		failed[o.ID] = true
		if !Permanent(o.Err) {
			t.Errorf("%s failed with %v (%v), want a permanent error", o.ID, o.Err, daybook.CodeOf(o.Err))
		}
	}
	if len(failed) != 2 || !failed[events[1].ID] || !failed[events[3].ID] {
		t.Errorf("failed: %v, want %s and %s", failed, events[1].ID, events[3].ID)
	}
	d.arrived(t, events[0], events[2], events[4])
}

func (s *suite) testIsolated(t *testing.T, d *destination) {
	events := Events("e", 3)
	events[1] = s.traits.Bad(events[1])
	if err := d.write(t.Context(), t, events...); !Permanent(err) {
		t.Errorf("error of the batch is %v (%v), want a permanent one", err, daybook.CodeOf(err))
	}
	d.mustWrite(t, events[0])
	if err := d.write(t.Context(), t, events[1]); !Permanent(err) {
		t.Errorf("error of the bad event is %v (%v), want a permanent one", err, daybook.CodeOf(err))
	}
	d.mustWrite(t, events[2])
	d.atLeast(t, events[0], events[2])
}
