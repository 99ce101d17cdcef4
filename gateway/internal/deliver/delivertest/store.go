// Package delivertest has what deliveries are tested with: a store in memory
// that can lose and refuse, and a destination that does as it is told.
package delivertest

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// A Store keeps records in memory. It can be followed, holds for followers,
// counts, and is safe for concurrent use. The zero value is empty and ready.
// Restarting the process is opening a second engine on it.
type Store struct {
	mu      sync.Mutex    // guards everything below
	all     []store.Entry // ever appended
	entries []store.Entry // those kept
	newest  store.Position
	events  uint64        // stored ever
	before  store.Tally   // right before the oldest entry kept
	parts   []store.Tally // ends of parts in between
	damaged map[store.Position]bool
	holds   map[string]store.Position
	added   chan struct{} // closed by an append, then replaced
	refuse  error
	unread  error
	closed  bool
	decoded int
}

// Append implements [store.Store]. It does not deduplicate.
func (s *Store) Append(_ context.Context, records []store.Record) ([]store.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.append(records)
}

// append must be called with mu held.
func (s *Store) append(records []store.Record) ([]store.Receipt, error) {
	if s.closed {
		return nil, daybook.ErrClosed
	}
	if s.refuse != nil {
		return nil, s.refuse
	}
	receipts := make([]store.Receipt, len(records))
	for i := range records {
		s.newest++
		if records[i].Kind == store.KindEvent {
			s.events++
		}
		e := store.Entry{Position: s.newest, Record: kept(records[i])}
		s.entries, s.all = append(s.entries, e), append(s.all, e)
		receipts[i] = store.Receipt{Status: daybook.Stored, ID: records[i].Event.ID, Position: s.newest}
	}
	s.wake()
	return receipts, nil
}

// kept is a copy of a record as a store returns it.
func kept(r store.Record) store.Record {
	k, err := store.ParseRecord(r.Kind, r.AppendPayload(nil, r.Key()))
	if err != nil {
		panic(err) // a record that no store could keep
	}
	return k
}

func (s *Store) wake() {
	if s.added != nil {
		close(s.added)
		s.added = nil
	}
}

// Add appends an event of an actor that came from a caller, received now, and
// returns its position.
func (s *Store) Add(caller, id, actor string) store.Position {
	return s.AddRecord(Event(caller, id, actor))
}

// AddRecord appends a record and returns its position.
func (s *Store) AddRecord(r store.Record) store.Position {
	receipts, err := s.Append(context.Background(), []store.Record{r})
	if err != nil {
		panic(err) // a test that adds to a store it closed
	}
	return receipts[0].Position
}

// Event returns the record of an event.
func Event(caller, id, actor string) store.Record {
	now := time.Now().UTC()
	return store.Record{
		Kind:   store.KindEvent,
		Event:  daybook.Event{ID: id, Name: "login-success", Actor: actor, Time: now, Metadata: []byte(`{"plan":"free"}`)},
		Caller: caller, Protocol: "http", Instance: "gateway-1", Received: now,
	}
}

// Refuse makes appends fail with err, until it is nil.
func (s *Store) Refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

// Unread makes reads fail with err, until it is nil.
func (s *Store) Unread(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread = err
}

// Seal ends a part: a count is known at this place.
func (s *Store) Seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = append(s.parts, store.Tally{Position: s.newest, Events: s.events})
}

// Evict removes the records up to a position, as retention does when there is no
// room.
func (s *Store) Evict(through store.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.entries) > 0 && s.entries[0].Position <= through {
		s.before.Position = s.entries[0].Position
		if s.entries[0].Kind == store.KindEvent {
			s.before.Events++
		}
		s.entries = s.entries[1:]
	}
	s.parts = slices.DeleteFunc(s.parts, func(t store.Tally) bool { return t.Position <= s.before.Position })
}

// Damage makes the record at a position unreadable.
func (s *Store) Damage(at store.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.damaged == nil {
		s.damaged = map[store.Position]bool{}
	}
	s.damaged[at] = true
}

// Cut forgets the records behind a position, as a store does that was restored
// from a copy.
func (s *Store) Cut(behind store.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := len(s.entries); n > 0 && s.entries[n-1].Position > behind; n-- {
		if s.entries[n-1].Kind == store.KindEvent {
			s.events--
		}
		s.entries, s.all = s.entries[:n-1], s.all[:len(s.all)-1]
	}
	s.newest = min(s.newest, behind)
}

// Decoded is how many records reads have returned.
func (s *Store) Decoded() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.decoded
}

// Held returns where a follower's hold is, and whether it has one.
func (s *Store) Held(name string) (store.Position, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.holds[name]
	return at, ok
}

// Close makes everything fail from now on.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.wake()
}

// Read implements [store.Follower].
func (s *Store) Read(_ context.Context, after store.Position, most int) ([]store.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, daybook.ErrClosed
	case s.unread != nil:
		return nil, s.unread
	}
	var read []store.Entry
	if len(s.entries) == 0 {
		return nil, nil
	}
	from := 0
	if oldest := s.entries[0].Position; after >= oldest {
		from = int(after-oldest) + 1
	}
	for _, e := range s.entries[min(from, len(s.entries)):] {
		if len(read) == most {
			break
		}
		if !s.damaged[e.Position] {
			read = append(read, e)
		}
	}
	s.decoded += len(read)
	return read, nil
}

// ReadKinds implements [store.Selector].
func (s *Store) ReadKinds(ctx context.Context, after store.Position, most int, kinds ...store.Kind) ([]store.Entry, store.Position, error) {
	_, newest := s.Bounds()
	read, err := s.Read(ctx, after, int(newest)+1)
	if err != nil {
		return nil, after, err
	}
	var found []store.Entry
	for _, e := range read {
		if !slices.Contains(kinds, e.Kind) {
			continue
		}
		if found = append(found, e); len(found) == most {
			return found, e.Position, nil
		}
	}
	return found, max(after, newest), nil
}

// Wait implements [store.Follower].
func (s *Store) Wait(ctx context.Context, after store.Position) error {
	for {
		s.mu.Lock()
		if s.added == nil {
			s.added = make(chan struct{})
		}
		added, newest, closed := s.added, s.newest, s.closed
		s.mu.Unlock()
		if closed {
			return daybook.ErrClosed
		}
		if newest > after {
			return nil
		}
		select {
		case <-added:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Bounds implements [store.Follower].
func (s *Store) Bounds() (oldest, newest store.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.entries) == 0 {
		return 0, 0
	}
	return s.entries[0].Position, s.newest
}

// Seek implements [store.Follower].
func (s *Store) Seek(_ context.Context, t time.Time) (store.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.before.Position
	for _, e := range s.entries {
		if !e.Received.Before(t) {
			break
		}
		at = e.Position
	}
	return at, nil
}

// Hold implements [store.Holder].
func (s *Store) Hold(name string, after store.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds == nil {
		s.holds = map[string]store.Position{}
	}
	s.holds[name] = after
}

// Release implements [store.Holder].
func (s *Store) Release(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.holds, name)
}

// Tallies implements [store.Counter].
func (s *Store) Tallies() []store.Tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	tallies := append([]store.Tally{s.before}, s.parts...)
	return append(tallies, store.Tally{Position: s.newest, Events: s.events})
}

// Stored implements [store.Counter].
func (s *Store) Stored() (from, to store.Position, events map[string]uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events = map[string]uint64{}
	for _, e := range s.entries {
		if e.Kind == store.KindEvent {
			events[e.Caller]++
		}
	}
	return 0, s.newest, events
}

// Records returns the records of a kind that are kept.
func (s *Store) Records(kind store.Kind) []store.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []store.Entry
	for _, e := range s.entries {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// All returns every record that was ever stored, kept or not.
func (s *Store) All() []store.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// A Life is a store as one run of the gateway sees it. Nothing is stored for it
// after its end, whatever of it still runs.
type Life struct {
	*Store
	ended atomic.Bool
}

// Live begins a life.
func (s *Store) Live() *Life { return &Life{Store: s} }

// End is a kill -9, as far as the store is concerned.
func (l *Life) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended.Store(true)
}

// Append implements [store.Store].
func (l *Life) Append(_ context.Context, records []store.Record) ([]store.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended.Load() {
		return nil, daybook.ErrClosed
	}
	return l.append(records)
}

// Hold implements [store.Holder].
func (l *Life) Hold(name string, after store.Position) {
	if !l.ended.Load() {
		l.Store.Hold(name, after)
	}
}
