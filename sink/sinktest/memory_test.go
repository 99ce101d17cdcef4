package sinktest_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"

	"daybook.dev"
	"daybook.dev/sink/sinktest"
)

const secret = "secret-of-the-memory-sink"

// A memory is a sink and its destination in one. The flaws are what the suite
// has to find.
type memory struct {
	flaw   string
	single bool // knows no copies and no single events

	mu      sync.Mutex // guards what follows
	arrived []daybook.Event
	broken  bool
	mended  chan struct{} // closed when broken ends
	closed  bool
	hang    chan struct{} // closed by whoever ends it; nil = does not hang
	gone    chan struct{} // closed by Close
}

func openMemory(flaw string, single bool) func(t *testing.T) sinktest.Target {
	return func(t *testing.T) sinktest.Target {
		m := &memory{flaw: flaw, single: single, gone: make(chan struct{})}
		t.Cleanup(func() { m.Close(context.Background()) })
		return sinktest.Target{
			Sink: m, Arrived: m.list, Break: m.breakIt, Mend: m.mend, Hang: m.hangIt, Secrets: []string{secret},
		}
	}
}

func (m *memory) list(*testing.T, int) []sinktest.Arrival {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []sinktest.Arrival
	for _, e := range m.arrived {
		list = append(list, sinktest.Arrival{ID: e.ID, Name: e.Name, Metadata: e.Metadata})
	}
	return list
}

func (m *memory) breakIt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken, m.mended = true, make(chan struct{})
}

func (m *memory) hangIt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hang = make(chan struct{})
}

func (m *memory) mend() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		m.broken = false
		close(m.mended)
	}
	if m.hang != nil {
		close(m.hang)
		m.hang = nil
	}
}

func (m *memory) Write(ctx context.Context, events []daybook.Event) error {
	if err := m.wait(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed && m.flaw != "writes when closed" {
		return daybook.ErrClosed
	}
	if m.broken {
		return m.failure(events)
	}
	if m.flaw == "leaks a goroutine" {
		go func() { select {} }()
	}
	if m.flaw == "refuses nothing to do" && len(events) == 0 {
		return &daybook.Error{Code: daybook.Invalid}
	}
	return m.take(events)
}

// wait waits while the destination hangs.
func (m *memory) wait(ctx context.Context) error {
	if ctx.Err() != nil && m.flaw != "takes after the end" {
		return &daybook.Error{Code: daybook.Unavailable, Err: ctx.Err()}
	}
	m.mu.Lock()
	hang := m.hang
	m.mu.Unlock()
	if hang == nil {
		return nil
	}
	if m.flaw == "hangs on" {
		<-hang
		return &daybook.Error{Code: daybook.Unavailable}
	}
	gone := m.gone
	if m.flaw == "hangs on after close" {
		gone = nil
	}
	select {
	case <-ctx.Done():
		return &daybook.Error{Code: daybook.Unavailable, Err: ctx.Err()}
	case <-gone:
		return daybook.ErrClosed
	case <-hang:
		return &daybook.Error{Code: daybook.Unavailable}
	}
}

func (m *memory) failure(events []daybook.Event) error {
	switch m.flaw {
	case "claims":
		return nil
	case "claims some":
		return &daybook.PartialError{Failed: []daybook.Outcome{{ID: events[0].ID, Status: daybook.Failed, Err: &daybook.Error{Code: daybook.Unavailable}}}}
	case "gives up":
		return &daybook.Error{Code: daybook.Invalid}
	case "calls for a person":
		return &daybook.Error{Code: daybook.Denied}
	case "shows its secret":
		return &daybook.Error{Code: daybook.Unavailable, Message: "no answer from " + secret}
	case "shows content":
		return &daybook.Error{Code: daybook.Unavailable, Message: "cannot send " + string(events[0].Metadata)}
	}
	return &daybook.Error{Code: daybook.Unavailable, Message: "broken"}
}

func (m *memory) take(events []daybook.Event) error {
	before, count := slices.Clone(m.arrived), 0
	var failed []daybook.Outcome
	for i, e := range events {
		if e.Type == "bad" {
			failed = append(failed, m.refuse(events, i))
			continue
		}
		m.takeOne(i, len(events), e)
		count++
	}
	if m.flaw == "turns round" {
		slices.Reverse(m.arrived)
	}
	switch {
	case failed == nil:
		return nil
	case m.single && m.flaw == "takes the bad batch as passing":
		return &daybook.Error{Code: daybook.Unavailable}
	case m.single:
		m.arrived = before
		return &daybook.Error{Code: daybook.Invalid, Message: "one of these is bad"}
	case m.flaw == "keeps nothing of a bad batch":
		m.arrived = before
	case m.flaw == "names nobody":
		return &daybook.Error{Code: daybook.Invalid}
	}
	return &daybook.PartialError{Failed: failed}
}

func (m *memory) refuse(events []daybook.Event, i int) daybook.Outcome {
	o := daybook.Outcome{ID: events[i].ID, Status: daybook.Refused, Err: &daybook.Error{Code: daybook.Invalid}}
	switch m.flaw {
	case "names another":
		o.ID = events[0].ID
	case "names a stranger":
		o.ID = "stranger"
	case "names without a reason":
		o.Err = nil
	}
	return o
}

func (m *memory) takeOne(i, n int, e daybook.Event) {
	same := func(a daybook.Event) bool {
		return a.ID == e.ID && (m.flaw == "ignores the scope" || a.Origin == nil || e.Origin == nil || a.Origin.Scope == e.Origin.Scope)
	}
	metadata := slices.Clone(e.Metadata)
	switch {
	case m.flaw == "keeps the memory":
		metadata = e.Metadata
	case m.flaw == "loses the last" && i == n-1:
		return
	case m.flaw == "cuts" && len(metadata) > 1<<19:
		metadata = []byte(`{}`)
	case m.flaw == "rounds":
		metadata = bytes.ReplaceAll(metadata, []byte("12345678901234567890.000"), []byte("12345678901234567000"))
	case m.flaw == "takes twice":
		m.arrived = append(m.arrived, e)
	}
	e.Metadata = metadata
	if at := slices.IndexFunc(m.arrived, same); at >= 0 && !m.single && m.flaw != "keeps copies" {
		if m.flaw == "last wins" {
			m.arrived[at] = e
		}
		return
	}
	m.arrived = append(m.arrived, e)
}

func (m *memory) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken && m.flaw == "closes only when mended" {
		mended := m.mended
		m.mu.Unlock()
		<-mended
		m.mu.Lock()
	}
	if m.closed {
		if m.flaw == "closes once" {
			return daybook.ErrClosed
		}
		return nil
	}
	m.closed = true
	close(m.gone)
	return nil
}
