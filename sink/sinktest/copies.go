package sinktest

import (
	"testing"

	"daybook.dev"
)

func (s *suite) copies(t *testing.T) {
	s.run(t, "one id of two scopes is two events", func(t *testing.T, d *destination) {
		ours, theirs := Event("shared"), withMetadata(Event("shared"), `{"whose":"theirs"}`)
		origin := *ours.Origin
		origin.Scope, origin.Caller = "search", "search"
		theirs.Origin = &origin
		d.mustWrite(t, ours, theirs)
		d.arrived(t, ours, theirs)
	})
	if !s.traits.Deduplicates {
		s.run(t, "an event written again carries its id again", func(t *testing.T, d *destination) {
			e := Event("again")
			d.mustWrite(t, e)
			d.mustWrite(t, e)
			d.atLeast(t, e)
		})
	}
	s.promised(t, s.traits.Deduplicates, "an event written again arrives once", func(t *testing.T, d *destination) {
		events := Events("again", 3)
		d.mustWrite(t, events...)
		d.mustWrite(t, events...)
		d.arrived(t, events...)
	})
	s.promised(t, s.traits.Deduplicates, "an event twice in one Write arrives once", func(t *testing.T, d *destination) {
		d.mustWrite(t, Event("twice"), Event("other"), Event("twice"))
		d.arrived(t, Event("twice"), Event("other"))
	})
	s.promised(t, s.traits.Deduplicates, "of two contents with one id the first stays", func(t *testing.T, d *destination) {
		first := Event("same")
		d.mustWrite(t, first)
		err := d.write(t.Context(), t, withMetadata(first, `{"later":true}`), Event("other"))
		if err != nil && daybook.CodeOf(err) != daybook.Conflict {
			t.Errorf("error of the second is %v, want none or a conflict", err)
		}
		d.mustWrite(t, Event("other"))
		d.arrived(t, first, Event("other"))
	})
}
