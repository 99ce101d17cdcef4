package deliver

import (
	"daybook.dev/gateway/internal/store"
)

// An account is what a lane knows about how many events there are, and how
// those that are finished ended.
type account struct {
	counts  Counts
	retried uint64         // of those delivered: they had been dead before
	start   store.Position // the destination gets what lies behind
	base    int64          // events stored up to start

	// expects is a count to be compared with what was seen, once everything up
	// to its position was read; nil = none. Where records were removed or
	// damaged, the difference is how many events they were.
	expects *store.Tally

	off int64 // events seen beyond those that were stored: a mistake in the books
}

// suspect takes the first count at or behind a position for the next comparison.
func (a *account) suspect(at store.Position, from store.Counter) {
	for _, t := range from.Tallies() {
		if t.Position >= at {
			a.expects = &t
			return
		}
	}
}

// compare finds out how many events are missing, when a count has been reached.
// The caller holds the lock.
func (l *lane) compare() {
	a, w := &l.account, &l.window
	if a.expects != nil && a.expects.Position < w.skip && w.read >= a.expects.Position {
		// The place is within a run that an earlier life had finished, and
		// nobody knows how many of its events lie before it.
		a.suspect(w.skip, l.options.Store)
	}
	if a.expects == nil || w.read < a.expects.Position {
		return
	}
	missing := int64(a.expects.Events) - a.base - int64(w.seen)
	a.off = max(0, -missing)
	up := a.expects.Position
	a.expects = nil
	switch {
	case missing > 0:
		w.done(span{First: w.read, Last: w.read}, uint64(missing))
		l.touch()
		l.options.Log.Error("events were removed or damaged before a destination received them",
			"destination", l.Name, "events", missing, "up_to", up)
	case missing < 0:
		l.options.Log.Error("a destination has seen more events than were stored: its counts are wrong",
			"destination", l.Name, "events", -missing, "up_to", up)
	}
}

// stored is how many events there were for the destination, given the count at
// the newest record.
func (a *account) stored(newest store.Tally) uint64 {
	return uint64(max(0, int64(newest.Events)-a.base))
}
