package deadletter

import (
	"cmp"
	"context"
	"slices"

	"daybook.dev/gateway/internal/store"
)

// events reads the events, and the whole messages, of the first of some dead
// letters: at least one, and fewer than all where they are large. The rest are
// those it has not read.
func (x *Index) events(ctx context.Context, entries []Entry) (letters []Letter, rest []Entry, err error) {
	var at []store.Position
	for _, e := range entries {
		at = append(at, e.Record)
	}
	about, end, err := x.pick(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	at = at[:0]
	for _, e := range entries {
		if needsEvent(e, about[e.Record]) {
			at = append(at, e.Position)
		}
	}
	events, endOfEvents, err := x.pick(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if e.Record > end || needsEvent(e, about[e.Record]) && e.Position > endOfEvents {
			rest = append(rest, e)
			continue
		}
		letters = append(letters, letterOf(e, about[e.Record], events[e.Position]))
	}
	return letters, rest, nil
}

// pick reads the records at some positions, and returns them with the last of
// the positions that it has looked at.
func (x *Index) pick(ctx context.Context, at []store.Position) (records map[store.Position]*store.Record, end store.Position, err error) {
	at = slices.Clone(at)
	slices.Sort(at)
	at = slices.Compact(at)
	if len(at) == 0 {
		return nil, 0, nil
	}
	entries, looked, err := x.options.Source.ReadAt(ctx, at)
	if err != nil {
		return nil, 0, err
	}
	records = make(map[store.Position]*store.Record, len(entries))
	for i := range entries {
		records[entries[i].Position] = &entries[i].Record
	}
	return records, at[looked-1], nil
}

// needsEvent reports whether the event of a dead letter is elsewhere than in the
// newest record about it, which is nil where it is no longer kept.
func needsEvent(e Entry, about *store.Record) bool {
	own := e.Destination == "" // what the gateway itself set aside is nowhere else
	return about != nil && !own && (about.Kind != store.KindRefused || !hasPayload(about))
}

// hasPayload reports whether a record of a dead letter holds the event, and not
// only its id and name: an accepted event always has a time.
func hasPayload(r *store.Record) bool { return !r.Event.Time.IsZero() }

func letterOf(e Entry, about, event *store.Record) Letter {
	l := Letter{Entry: e}
	if about == nil {
		return l
	}
	if about.Refusal != nil {
		l.Message = about.Refusal.Message
	}
	switch {
	case !needsEvent(e, about):
		l.Event = about
	case event != nil && event.Kind == store.KindEvent:
		l.Event = event
	}
	return l
}

// byDestination orders dead letters as they are retried.
func byDestination(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Record, b.Record))
}
