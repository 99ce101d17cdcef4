package ledger

import (
	"context"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// takeUp enters what the last summary says, once.
func (l *Ledger) takeUp(ctx context.Context) error {
	if l.isFormer() {
		return nil
	}
	last, err := l.lastSummary(ctx, l.opened)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.former = true
	if last == nil {
		return nil
	}
	l.wrote(written{at: last.Position, when: time.Now()})
	for _, c := range last.Summary {
		switch r := l.row(c.Caller); {
		case c.Status == daybook.Stored:
			r.stored += c.Events
			l.counted += c.Events
		case c.Status < statuses:
			r.before[c.Status] += c.Events
		}
	}
	l.through = min(last.Through, l.opened)
	return nil
}

// isFormer reports whether the rows have what the last summary says.
func (l *Ledger) isFormer() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.former
}

// eventsUpTo returns the tally at a position. It is that of the place where the
// store was opened, and nothing has been stored since, so it is there.
func eventsUpTo(tallies []store.Tally, at store.Position) uint64 {
	for _, t := range tallies {
		if t.Position >= at {
			return t.Events
		}
	}
	return tallies[len(tallies)-1].Events
}

// lastSummary returns the newest summary, or nil when there is none. It looks
// back in steps that grow, so what it reads is little when the summary is near.
func (l *Ledger) lastSummary(ctx context.Context, newest store.Position) (*store.Entry, error) {
	oldest, _ := l.options.Store.Bounds()
	for end, width := newest, store.Position(1024); end > 0 && end >= oldest; width *= 4 {
		start := end - min(width, end)
		last, err := l.lastWithin(ctx, start, end)
		if last != nil || err != nil {
			return last, err
		}
		end = start
	}
	return nil, nil
}

// lastWithin returns the last summary behind one position, up to another.
func (l *Ledger) lastWithin(ctx context.Context, start, end store.Position) (last *store.Entry, err error) {
	for start < end {
		entries, through, err := l.options.Store.ReadKinds(ctx, start, 256, store.KindSummary)
		if err != nil {
			return nil, err
		}
		for i := range entries {
			if entries[i].Position <= end {
				last = &entries[i]
			}
		}
		if through <= start {
			break // nothing more is there
		}
		start = through
	}
	return last, nil
}

// recount counts the events that were stored behind the last summary, up to
// where the store was opened. Nil means that it is done.
func (l *Ledger) recount(ctx context.Context) error {
	for {
		through, all := l.recounted()
		if all {
			return nil
		}
		entries, looked, err := l.options.Store.ReadKinds(ctx, through, 1024, store.KindEvent)
		if err != nil {
			return err
		}
		if looked <= through {
			looked = l.opened // the store ends before that place
		}
		l.enter(entries, looked)
	}
}

// recounted returns the place that the recount has reached, and whether that was
// all. Then events that nobody can count by caller any more, for they are gone or
// damaged, have an account of their own: the store knows how many they were.
func (l *Ledger) recounted() (through store.Position, all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.through < l.opened {
		return l.through, false
	}
	if l.counted < l.total {
		l.row(Unknown).stored += l.total - l.counted
		l.counted = l.total
		l.changes++
	}
	return l.through, true
}

// enter counts events that were read again, and notes how far that was.
func (l *Ledger) enter(entries []store.Entry, looked store.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range entries {
		if entries[i].Position <= l.opened {
			l.row(entries[i].Caller).stored++
			l.counted++
			l.changes++
		}
	}
	l.through = min(looked, l.opened)
}
