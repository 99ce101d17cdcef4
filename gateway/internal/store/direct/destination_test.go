package direct_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/internal/need"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

// A destination is a sink in memory that confirms what it has.
type destination struct {
	// answer decides about a Write instead of the destination. Nil takes all.
	answer func(ctx context.Context, events []daybook.Event) error

	mu     sync.Mutex
	writes [][]daybook.Event // guarded by mu
	bytes  []byte            // guarded by mu: of all metadata, read while it may be
}

func (d *destination) Write(ctx context.Context, events []daybook.Event) error {
	d.mu.Lock()
	d.writes = append(d.writes, slices.Clone(events))
	for i := range events {
		d.bytes = append(d.bytes, events[i].Metadata...)
	}
	d.mu.Unlock()
	if d.answer == nil {
		return nil
	}
	return d.answer(ctx, events)
}

func (d *destination) Close(context.Context) error { return nil }

// sizes returns how many events each Write had.
func (d *destination) sizes() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	var sizes []int
	for _, w := range d.writes {
		sizes = append(sizes, len(w))
	}
	return sizes
}

// ids returns the ids of each Write.
func (d *destination) ids() [][]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all [][]string
	for _, w := range d.writes {
		ids := []string{}
		for i := range w {
			ids = append(ids, w[i].ID)
		}
		all = append(all, ids)
	}
	return all
}
