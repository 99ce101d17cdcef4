package ledger

import (
	"context"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// written is what is known of the last summary.
type written struct {
	at    store.Position // 0 = there is none
	when  time.Time      // or when the ledger was opened, if it is of a former life
	bytes int
}

// due reports whether a summary is to be written now: because counts have
// changed that no record tells, because much was stored that would have to be
// read again, or because the last one is no longer kept.
func (l *Ledger) due(now time.Time) bool {
	last := l.last()
	since := now.Sub(last.when)
	if wait := every * time.Duration(1+last.bytes/bytesPerTick); since < wait {
		return false
	}
	_, newest := l.options.Store.Bounds()
	switch {
	case l.changed() || !l.keeps(last):
		return true
	case newest <= last.at:
		return false
	}
	return newest-last.at >= staleRecords || since >= stale
}

func (l *Ledger) changed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes > 0
}

func (l *Ledger) last() written {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.summary
}

func (l *Ledger) wrote(w written) {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.summary = w
}

// keeps reports whether the store still has the last summary.
func (l *Ledger) keeps(last written) bool {
	oldest, _ := l.options.Store.Bounds()
	return last.at == 0 || oldest != 0 && oldest <= last.at
}

// flush writes a summary, if there is anything to write that the last one does
// not say. Nil means that everything counted so far is in the store.
func (l *Ledger) flush(ctx context.Context) error {
	last := l.last()
	record, changes := l.compose()
	_, newest := l.options.Store.Bounds()
	if !l.isFormer() || changes == 0 && newest <= last.at && l.keeps(last) {
		return nil
	}
	receipts, err := l.options.Store.Append(ctx, []store.Record{record})
	if err == nil && receipts[0].Status != daybook.Stored {
		err = receipts[0].Err
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.changes -= changes
	l.mu.Unlock()
	l.wrote(written{at: receipts[0].Position, when: time.Now(), bytes: len(record.AppendPayload(nil, record.Key()))})
	return nil
}

// compose returns a summary of everything counted so far, and how many of the
// changes it covers.
func (l *Ledger) compose() (store.Record, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	stored, through := l.stored()
	if l.through < l.opened {
		// What this life has stored stands behind a part that is not counted yet.
		stored, through = l.storedBefore(), l.through
	}
	r := store.Record{Kind: store.KindSummary, Instance: l.options.Instance, Received: time.Now().UTC(), Through: through}
	for _, name := range l.names() {
		for status := daybook.Stored; status < statuses; status++ {
			n := l.rows[name].notStored(status)
			if status == daybook.Stored {
				n = stored[name]
			}
			if n > 0 {
				r.Summary = append(r.Summary, store.Count{Caller: name, Status: status, Events: n})
			}
		}
	}
	return r, l.changes
}
