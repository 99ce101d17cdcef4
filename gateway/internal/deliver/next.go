package deliver

import "time"

// next returns what may be done now, or else when to look again; no time when
// that depends on the end of a write or on news. The caller holds the lock and a
// slot.
func (l *lane) next(now time.Time) (p *piece, due time.Time) {
	q, h := &l.pending, &l.health
	dying, due := soonest(q.dying)
	switch {
	case dying != nil && !due.After(now):
		q.remove(dying)
		return dying, time.Time{}
	case now.Before(h.pause):
		return nil, earliest(due, h.pause)
	case h.breaker.closed():
		p, next := l.batch(now)
		return l.begins(p, now), earliest(due, next)
	case q.writes > 0:
		return nil, due // one probe at a time
	case now.Before(h.breaker.next):
		return nil, earliest(due, h.breaker.next)
	}
	return l.begins(l.probe(now), now), due
}

// batch returns what to write to a destination that takes events: what has to be
// tried again and is due, or a batch that is complete or old.
func (l *lane) batch(now time.Time) (p *piece, due time.Time) {
	q := &l.pending
	p, due = soonest(q.able(l.Order))
	if p != nil && !due.After(now) {
		q.remove(p)
		return p, time.Time{}
	}
	ready := l.ready(now)
	if ready.IsZero() || ready.After(now) {
		return nil, earliest(due, ready)
	}
	return q.cut(l.Batch, l.Order), due
}

// probe returns what to try at a destination that takes nothing: what is due,
// what was never tried, or else what is due first. It changes from one probe to
// the next, so that one event cannot keep a destination down.
func (l *lane) probe(now time.Time) *piece {
	q := &l.pending
	p, due := soonest(q.able(l.Order))
	if p == nil || due.After(now) {
		if batch := q.cut(l.Batch, l.Order); batch != nil {
			return batch
		}
	}
	if p != nil {
		q.remove(p)
	}
	return p
}

// begins notes that a piece, which may be nil, is about to be written.
func (l *lane) begins(p *piece, now time.Time) *piece {
	if p != nil {
		l.pending.begins(p, l.Order, now)
	}
	return p
}

// ready is when the fresh events make a batch: now, when enough of them wait or
// no more can be read. Zero means that there are none.
func (l *lane) ready(now time.Time) time.Time {
	q := &l.pending
	if q.count == 0 {
		return time.Time{}
	}
	if q.count >= l.Batch.Events || q.bytes >= l.Batch.Bytes || l.full() {
		return now
	}
	for _, n := range q.fresh {
		if n.state == fresh {
			return n.since.Add(l.Batch.Age)
		}
	}
	return time.Time{}
}
