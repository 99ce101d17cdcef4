package query

import (
	"context"
	"io"
	"time"

	"daybook.dev/gateway/internal/store"
)

// Follow says which events to read, and whether to wait for more. The zero
// value reads what arrives from now on.
type Follow struct {
	// After continues behind a position; nil means the fields below decide.
	After *store.Position

	// Start reads from the oldest event kept.
	Start bool

	// Since reads the events received at or after it. Zero means not.
	Since time.Time

	// Last reads this many of the newest events first. It is for reading from
	// now on; Start and Since count before it.
	Last int

	// NoFollow ends with the event that was the newest when reading began.
	NoFollow bool
}

// readMax is how many records one read asks for.
const readMax = 256

// A Tail is a place in the store that moves forward. It is for one goroutine.
type Tail struct {
	from  store.Follower
	after store.Position
	end   store.Position // of a tail that does not follow
	ends  bool
}

// Open finds where f begins. It reads from the store only for Last.
func Open(ctx context.Context, from store.Follower, f Follow) (*Tail, error) {
	_, newest := from.Bounds()
	t := &Tail{from: from, after: newest, end: newest, ends: f.NoFollow}
	var err error
	switch {
	case f.After != nil:
		// A position behind the newest is of another store, or of this one
		// before its directory was replaced: what arrives now follows it.
		t.after = min(*f.After, newest)
	case f.Start:
		t.after = 0
	case !f.Since.IsZero():
		t.after, err = from.Seek(ctx, f.Since)
	case f.Last > 0:
		err = t.seekLast(ctx, f.Last)
	}
	return t, err
}

// Position is the place that t has reached: what comes next is behind it.
func (t *Tail) Position() store.Position { return t.after }

// seekLast places t so that n events follow, or all when there are fewer. The
// positions between two events are not known in advance, so it widens the range
// until it holds enough; together that reads at most twice what is needed.
func (t *Tail) seekLast(ctx context.Context, n int) error {
	for width := store.Position(n); ; width *= 2 {
		start := store.Position(0)
		if width < t.end {
			start = t.end - width
		}
		events, err := t.count(ctx, start)
		if err != nil {
			return err
		}
		oldest, _ := t.from.Bounds()
		if events >= n || start < oldest || start == 0 {
			t.after, err = t.pass(ctx, start, max(events-n, 0))
			return err
		}
	}
}

// count returns how many events lie behind start, up to t.end.
func (t *Tail) count(ctx context.Context, start store.Position) (int, error) {
	events := 0
	for start < t.end {
		entries, err := t.from.Read(ctx, start, readMax)
		if err != nil || len(entries) == 0 {
			return events, err
		}
		for i := range entries {
			if entries[i].Kind == store.KindEvent && entries[i].Position <= t.end {
				events++
			}
		}
		start = entries[len(entries)-1].Position
	}
	return events, nil
}

// pass returns the position behind which that many events fewer lie than behind
// start.
func (t *Tail) pass(ctx context.Context, start store.Position, events int) (store.Position, error) {
	for events > 0 {
		entries, err := t.from.Read(ctx, start, readMax)
		if err != nil || len(entries) == 0 {
			return start, err
		}
		for i := 0; i < len(entries) && events > 0; i++ {
			start = entries[i].Position
			if entries[i].Kind == store.KindEvent {
				events--
			}
		}
	}
	return start, nil
}

// Next returns the next events, at least one, and waits for them where
// necessary. It returns io.EOF at the end of a tail that does not follow, else
// ctx's error or the store's; after ctx's error Next can be called again.
func (t *Tail) Next(ctx context.Context) ([]store.Entry, error) {
	for {
		if t.ends && t.after >= t.end {
			return nil, io.EOF
		}
		entries, err := t.from.Read(ctx, t.after, readMax)
		if err != nil {
			return nil, err
		}
		if len(entries) == 0 {
			if t.ends {
				return nil, io.EOF
			}
			if err := t.from.Wait(ctx, t.after); err != nil {
				return nil, err
			}
			continue
		}
		t.after = entries[len(entries)-1].Position
		if events := t.events(entries); len(events) > 0 {
			return events, nil
		}
	}
}

// events keeps of entries what the tail shows: events, not the records about
// them, and nothing behind the end.
func (t *Tail) events(entries []store.Entry) []store.Entry {
	kept := entries[:0]
	for _, e := range entries {
		switch {
		case e.Kind != store.KindEvent:
		case t.ends && e.Position > t.end:
		default:
			kept = append(kept, e)
		}
	}
	return kept
}
