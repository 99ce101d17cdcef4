package accept_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/need"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

// A memory is a store that remembers its appends, one after the other.
type memory struct {
	// answer decides about the n-th append, from 1, instead of the memory
	// where it returns receipts or an error. Nil stores everything.
	answer func(n int, records []store.Record) ([]store.Receipt, error)

	mu      sync.Mutex
	appends [][]store.Record
	next    store.Position
}

func (m *memory) Append(ctx context.Context, records []store.Record) ([]store.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.appends = append(m.appends, slices.Clone(records))
	if m.answer != nil {
		if receipts, err := m.answer(len(m.appends), records); receipts != nil || err != nil {
			return receipts, err
		}
	}
	receipts := make([]store.Receipt, len(records))
	for i := range records {
		m.next++
		receipts[i] = store.Receipt{Status: daybook.Stored, ID: records[i].Event.ID, Position: m.next}
	}
	return receipts, nil
}

func (*memory) Durability() daybook.Durability { return daybook.Fsynced }
func (*memory) Ready(context.Context) error    { return nil }
func (*memory) Close(context.Context) error    { return nil }

// A sink is a destination that does what its function says.
type sink func(ctx context.Context, events []daybook.Event) error

func (s sink) Write(ctx context.Context, events []daybook.Event) error { return s(ctx, events) }
func (sink) Close(context.Context) error                               { return nil }

var (
	takes = sink(func(context.Context, []daybook.Event) error { return nil })
	hangs = sink(func(ctx context.Context, _ []daybook.Event) error { <-ctx.Done(); return context.Cause(ctx) })
)

// untouched is a destination that must not be tried.
func untouched(t *testing.T) sink {
	return func(_ context.Context, events []daybook.Event) error {
		t.Errorf("%d events were forwarded", len(events))
		return nil
	}
}

func newAccepter(m *memory, destinations ...accept.Destination) *accept.Accepter {
	return &accept.Accepter{
		Admit: &admit.Admitter{}, Store: m, Instance: "here", Destinations: destinations,
	}
}

// waiting is a batch of events whose callers wait for destinations.
func waiting(ids ...string) accept.Batch {
	b := accept.Batch{Caller: caller.Caller{Name: "checkout"}, Protocol: "logevent", Wait: true}
	for _, id := range ids {
		b.Events = append(b.Events, admit.Submission{Event: daybook.Event{ID: id, Name: "a"}})
	}
	return b
}

// settled are the settlements that were appended, in order.
func (m *memory) settled() []store.Settlement {
	var all []store.Settlement
	for _, records := range m.appends {
		for _, r := range records {
			if r.Settlement != nil {
				all = append(all, *r.Settlement)
			}
		}
	}
	return all
}

// elapsed returns how long f takes.
func elapsed(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}
