package deliver

import (
	"context"
	"fmt"

	"daybook.dev/gateway/internal/store"
)

// restore makes of what was found on disk where the lane goes on.
func (l *lane) restore(ctx context.Context, found loaded) error {
	tallies := l.options.Store.Tallies()
	oldest, newest := tallies[0], tallies[len(tallies)-1]
	l.opened = newest.Position
	l.letters.found = map[store.Position]store.Position{}
	log := l.options.Log.With("destination", l.Name)
	c := found.cursor
	switch {
	case c != nil && c.Store != l.options.StoreID:
		log.Error("cursor belongs to another store: everything that is kept is delivered", "cursor", c.Low, "from", oldest.Position)
		c = l.newCursor(oldest)
	case c != nil:
		if found.damaged != nil {
			log.Error("cursor is damaged: the copy before it is used, and what was delivered since is delivered again", "err", found.damaged)
		}
		if c.Epoch != l.options.Epoch {
			newest = l.known(c.Epoch, tallies)
		}
		c.clamp(newest, l.options.Log)
		l.onDisk = true
	case found.damaged != nil:
		log.Error("cursor is damaged and there is no copy: everything that is kept is delivered again, and counted anew", "from", oldest.Position, "err", found.damaged)
		c = l.newCursor(oldest)
	default:
		start, err := l.from(ctx, tallies)
		if err != nil {
			return err
		}
		c = l.newCursor(start)
		log.Info("a new destination begins", "after", start.Position, "stored", l.opened-start.Position)
	}
	l.resume(c, found.old)
	return nil
}

// newCursor is the cursor of a destination that begins behind a position.
func (l *lane) newCursor(start store.Tally) *cursor {
	return &cursor{Start: start.Position, Base: int64(start.Events), Low: start.Position}
}

// known returns the last count that a cursor of an earlier epoch can rely on.
func (l *lane) known(epoch uint64, tallies []store.Tally) (last store.Tally) {
	last = tallies[0]
	for _, t := range tallies {
		if l.options.Known == nil || t.Position <= l.options.Known(epoch) {
			last = t
		}
	}
	return last
}

// from returns the place that a new destination begins behind, and how many
// events were stored up to there.
func (l *lane) from(ctx context.Context, tallies []store.Tally) (store.Tally, error) {
	switch {
	case l.From.Now:
		return tallies[len(tallies)-1], nil
	case l.From.Since.IsZero():
		return tallies[0], nil
	}
	at, err := l.options.Store.Seek(ctx, l.From.Since)
	if err != nil {
		return store.Tally{}, fmt.Errorf("deliver: %s: %w", l.Name, err)
	}
	start := tallies[0]
	for _, t := range tallies {
		if t.Position <= at {
			start = t
		}
	}
	for start.Position < at {
		entries, err := l.options.Store.Read(ctx, start.Position, int(min(readMax, at-start.Position)))
		if err != nil {
			return start, fmt.Errorf("deliver: %s: %w", l.Name, err)
		}
		if len(entries) == 0 {
			break
		}
		for i := range entries {
			if entries[i].Position > at {
				break
			}
			if entries[i].Kind == store.KindEvent {
				start.Events++
			}
		}
		start.Position = min(at, entries[len(entries)-1].Position)
	}
	start.Position = at
	return start, nil
}

// resume goes on where a cursor says. old says that it is not the last that was
// written: then anything since may be unknown to it.
func (l *lane) resume(c *cursor, old bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &l.window
	w.low, w.lowEvents, w.ahead = c.Low, c.LowEvents, c.Ranges
	w.read, w.seen = c.Low, c.LowEvents
	l.account.counts, l.account.start, l.account.base = c.Counts, c.Start, c.Base
	l.account.retried = c.Retried
	l.letters.bytes = c.DeadBytes
	for _, u := range c.Unknown {
		l.awaited.remember(u.Event, u.Letter)
	}
	l.letters.floor, l.letters.disk = c.DeadAfter, c.DeadAfter
	if old && c.Newest != 0 {
		l.letters.floor = c.Newest
		if c.DeadAfter != 0 {
			l.letters.floor = min(c.Newest, c.DeadAfter)
		}
	}
	l.letters.sought = l.letters.floor == 0
	l.account.suspect(l.opened, l.options.Store)
	l.compare()
	l.advance()
}
