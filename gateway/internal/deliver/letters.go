package deliver

import (
	"context"
	"errors"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// letters is what a lane knows about its dead letters. The lane's lock guards
// it.
//
// A dead letter is in the store before its event counts as dead in the cursor. A
// crash in between would leave a letter about an event that is then delivered:
// so before the first letter is stored, the cursor on disk says behind which
// position there may be some that it does not know, and a start looks there.
type letters struct {
	open  int            // calls of bury under way
	floor store.Position // letters that the counts do not have lie behind it, while some are open
	ended time.Time      // when the last call ended
	disk  store.Position // what the cursor on disk says; 0 = that there are none

	bytes deadBytes

	sought bool                              // a start has looked behind floor
	found  map[store.Position]store.Position // the letters it found, by events that were not read again yet

	failed int       // calls in a row that could not store their letters
	said   int       // events dead since the log was last told
	quiet  time.Time // it is not told again before
}

// calmTime is how long after the last dead letter the cursor says that there
// are none: while one comes after the other it need not be written for each.
const calmTime = time.Second

// bury stores the dead letters of a piece, then finishes its events. What cannot
// be stored is tried again: nothing is finished without its letter.
func (l *lane) bury(p *piece) {
	records := make([]store.Record, len(p.nodes))
	for i, n := range p.nodes {
		records[i] = l.letter(n)
	}
	err := l.announce()
	var receipts []store.Receipt
	if err == nil {
		receipts, err = l.options.Store.Append(l.hard, records)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.advance()
	now := time.Now()
	l.letters.open--
	l.letters.ended = now
	left := &piece{dying: true, tries: p.tries + 1}
	left.due = now.Add(backoff(left.tries, mostEvent, l.options.Rand()))
	failure := err
	for i, n := range p.nodes {
		switch {
		case err != nil:
			left.nodes = append(left.nodes, n)
		case receipts[i].Status != daybook.Stored:
			left.nodes = append(left.nodes, n)
			failure = receipts[i].Err
		default:
			l.buried(n, &records[i], receipts[i].Position)
		}
	}
	l.touch()
	l.pending.put(left)
	l.mourn(records, len(left.nodes), failure, now)
}

// announce brings to disk that there may be dead letters that the cursor does
// not know. Nil means that they may be stored.
func (l *lane) announce() error {
	l.mu.Lock()
	t := &l.letters
	if t.settled() {
		t.floor = newest(l.options.Store)
	}
	t.open++
	said := t.disk != 0
	l.mu.Unlock()
	if said {
		return nil
	}
	return l.saver.flush(l.hard, l)
}

// settled reports whether the counts have every letter that is stored.
func (t *letters) settled() bool { return t.open == 0 && t.sought && len(t.found) == 0 }

// deadAfter is what a cursor written now has to say: behind which position
// there may be letters that it does not know. The caller holds the lock.
func (l *lane) deadAfter(now time.Time) (position store.Position) {
	t := &l.letters
	if t.settled() {
		t.floor = newest(l.options.Store)
		if now.Sub(t.ended) >= calmTime {
			t.disk = 0 // from now on: the next letter has to be announced
			return 0
		}
	}
	return max(1, t.floor)
}

// calm has the cursor written once more when no dead letter has come for a
// while, and returns when that will be. The caller holds the lock.
func (l *lane) calm(now time.Time) (due time.Time) {
	t := &l.letters
	if t.disk == 0 || !t.settled() {
		return time.Time{}
	}
	if due = t.ended.Add(calmTime); due.After(now) {
		return due
	}
	l.touch()
	return time.Time{}
}

// letter returns the record that says why an event was not delivered.
func (l *lane) letter(n *node) store.Record {
	r := store.Record{Kind: store.KindRefused}
	var f *fault
	attempts := uint32(1)
	if n.load == nil {
		r, f = l.lookUp(n.first), outcomeUnknown()
	} else {
		e, o := n.load.event, n.load.event.Origin
		f, attempts = n.load.fault, n.load.attempts
		e.Origin = nil
		r.Event, r.Caller, r.Protocol, r.Instance, r.Received = e, o.Caller, o.Protocol, o.Instance, o.Received
		if o.Scope != o.Caller {
			r.Scope = o.Scope
		}
	}
	r.Refusal = &store.Refusal{
		Destination: l.Name, Position: n.first, Attempts: attempts,
		Code: f.code, Reason: f.reason, Field: f.field, Message: f.message,
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest, _ := l.options.Store.Bounds()
	if l.letters.bytes.of(r.Caller, oldest) >= l.MaxDeadBytes {
		r.Event = daybook.Event{ID: r.Event.ID, Name: r.Event.Name}
	}
	return r
}

// buried finishes an event whose letter is stored. The caller holds the lock.
func (l *lane) buried(n *node, r *store.Record, at store.Position) {
	if n.load == nil {
		l.awaited.remember(n.first, at)
	}
	l.letters.bytes.add(r.Caller, int64(eventBytes(&r.Event)), at)
	l.end(n, &l.account.counts.Dead)
}

// mourn tells the log of dead letters, now and then. The caller holds the lock.
func (l *lane) mourn(records []store.Record, left int, failure error, now time.Time) {
	t := &l.letters
	t.said += len(records) - left
	if failure != nil {
		if t.failed++; t.failed == 1 && !errors.Is(failure, context.Canceled) {
			l.options.Log.Error("dead letters cannot be stored: their events are kept", "destination", l.Name, "events", left, "err", failure)
		}
		return
	}
	t.failed = 0
	if now.Before(t.quiet) {
		return
	}
	l.options.Log.Warn("a destination refused events for good: they are dead letters", "destination", l.Name,
		"events", t.said, "code", records[0].Refusal.Code.String(), "reason", records[0].Refusal.Reason)
	t.said, t.quiet = 0, now.Add(mournTime)
}

// mournTime is the least time between two lines about dead letters.
const mournTime = 10 * time.Second

// exhume finds the events whose dead letters were stored and which the cursor
// does not know.
func (l *lane) exhume(ctx context.Context) error {
	l.mu.Lock()
	after := l.letters.floor
	l.mu.Unlock()
	for after != 0 && after < l.opened {
		entries, through, err := l.options.Store.ReadKinds(ctx, after, readMax, store.KindRefused)
		if err != nil {
			return err
		}
		l.found(entries)
		after = through
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.letters.sought = true
	return nil
}

// found notes which of some refused records are dead letters of the lane, about
// events that are not finished.
func (l *lane) found(entries []store.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range entries {
		r := entries[i].Refusal
		if r.Destination == l.Name && entries[i].Position <= l.opened && !l.window.complete(r.Position) {
			l.letters.found[r.Position] = entries[i].Position
		}
	}
}
