// Package querytest has a store.Follower in memory for tests of what reads.
package querytest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// Memory holds records in memory. The zero value is empty and ready.
type Memory struct {
	mu      sync.Mutex // guards all below
	entries []store.Entry
	added   chan struct{} // closed by Add, then replaced
	err     error
	pageMax int
}

// Add appends an event named name, received at received, and leaves gap
// positions free before it.
func (m *Memory) Add(name string, received time.Time, gap int) store.Position {
	return m.AddRecord(store.Record{
		Kind:   store.KindEvent,
		Event:  daybook.Event{ID: fmt.Sprint("id-", name), Name: name, Time: received},
		Caller: "anonymous", Protocol: "http", Received: received,
	}, gap)
}

// AddRecord appends r and leaves gap positions free before it.
func (m *Memory) AddRecord(r store.Record, gap int) store.Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, newest := m.bounds()
	position := newest + 1 + store.Position(gap)
	m.entries = append(m.entries, store.Entry{Position: position, Record: r})
	if m.added != nil {
		close(m.added)
		m.added = nil
	}
	return position
}

// Forget drops the oldest n records, as retention does.
func (m *Memory) Forget(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = m.entries[n:]
}

// Page makes a read return at most n records.
func (m *Memory) Page(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pageMax = n
}

// Fail makes later reads return err.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Read implements [store.Follower].
func (m *Memory) Read(_ context.Context, after store.Position, limit int) ([]store.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	if m.pageMax > 0 {
		limit = min(limit, m.pageMax)
	}
	var read []store.Entry
	for _, e := range m.entries {
		if e.Position > after && len(read) < limit {
			read = append(read, e)
		}
	}
	return read, nil
}

// ReadKinds implements [store.Selector]. Like a journal that comes to the end of
// what one call looks at, it may return none though more follow: a page counts
// records of every kind.
func (m *Memory) ReadKinds(_ context.Context, after store.Position, most int, kinds ...store.Kind) ([]store.Entry, store.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, after, m.err
	}
	var read []store.Entry
	looked, through := 0, after
	for _, e := range m.entries {
		switch {
		case e.Position <= after:
			continue
		case len(read) >= most || m.pageMax > 0 && looked >= m.pageMax:
			return read, through, nil
		case slices.Contains(kinds, e.Kind):
			read = append(read, e)
		}
		looked, through = looked+1, e.Position
	}
	return read, through, nil
}

// ReadAt implements [store.Picker]. A page counts positions.
func (m *Memory) ReadAt(_ context.Context, positions []store.Position) (entries []store.Entry, looked int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, 0, m.err
	}
	if m.pageMax > 0 {
		positions = positions[:min(len(positions), m.pageMax)]
	}
	for _, e := range m.entries {
		if slices.Contains(positions, e.Position) {
			entries = append(entries, e)
		}
	}
	return entries, len(positions), nil
}

// Wait implements [store.Follower].
func (m *Memory) Wait(ctx context.Context, after store.Position) error {
	for {
		added, newest := m.next()
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

func (m *Memory) next() (<-chan struct{}, store.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.added == nil {
		m.added = make(chan struct{})
	}
	_, newest := m.bounds()
	return m.added, newest
}

// Bounds implements [store.Follower].
func (m *Memory) Bounds() (oldest, newest store.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bounds()
}

func (m *Memory) bounds() (oldest, newest store.Position) {
	if len(m.entries) == 0 {
		return 0, 0
	}
	return m.entries[0].Position, m.entries[len(m.entries)-1].Position
}

// Seek implements [store.Follower].
func (m *Memory) Seek(_ context.Context, t time.Time) (store.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := store.Position(0)
	for _, e := range m.entries {
		if !e.Received.Before(t) {
			break
		}
		before = e.Position
	}
	return before, m.err
}
