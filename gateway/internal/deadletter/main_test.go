package deadletter_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/internal/need"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// A destination takes what it is handed, unless it was told to say something.
type destination struct {
	mu    sync.Mutex
	taken []daybook.Event                    // guarded by mu, like everything below
	calls int                                // of Write
	says  func(events []daybook.Event) error // nil = takes them
}

func (d *destination) write(_ context.Context, _ string, events []daybook.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.says != nil {
		if err := d.says(events); err != nil {
			return err
		}
	}
	for _, e := range events {
		e.Metadata = slices.Clone(e.Metadata)
		d.taken = append(d.taken, e)
	}
	return nil
}

// ids returns the ids of what was taken.
func (d *destination) ids() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []string
	for _, e := range d.taken {
		ids = append(ids, e.ID)
	}
	return ids
}

// A room is a journal, an index over it and a destination.
type room struct {
	t       *testing.T
	dir     string
	journal *journal.Journal
	sink    destination
	index   *deadletter.Index
}

func newRoom(t *testing.T, change ...func(*deadletter.Options)) *room {
	t.Helper()
	return newRoomWith(t, journal.Options{Dir: t.TempDir()}, change...)
}

func newRoomWith(t *testing.T, o journal.Options, change ...func(*deadletter.Options)) *room {
	t.Helper()
	j, err := journal.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close(context.Background()) })
	r := &room{t: t, dir: o.Dir, journal: j}
	r.open(change...)
	return r
}

// open opens the index again.
func (r *room) open(change ...func(*deadletter.Options)) {
	o := deadletter.Options{Data: r.dir, Store: "one.1", Source: r.journal, Write: r.sink.write}
	for _, c := range change {
		c(&o)
	}
	r.index = deadletter.Open(o)
}

func (r *room) append(records ...store.Record) []store.Position {
	r.t.Helper()
	receipts, err := r.journal.Append(r.t.Context(), records)
	if err != nil {
		r.t.Fatal(err)
	}
	var at []store.Position
	for i := range receipts {
		if receipts[i].Status != daybook.Stored {
			r.t.Fatalf("record %d: %+v", i, receipts[i])
		}
		at = append(at, receipts[i].Position)
	}
	return at
}

// event stores an event and returns its position.
func (r *room) event(id string) store.Position {
	r.t.Helper()
	return r.append(event(id))[0]
}

func event(id string) store.Record {
	return store.Record{
		Kind: store.KindEvent,
		Event: daybook.Event{
			ID: id, Name: "login", Type: daybook.Behavioral, Time: noon.Add(-time.Minute), Metadata: []byte(`{"id":"` + id + `"}`),
		},
		Caller: "checkout", Scope: "publisher", Protocol: "http", Instance: "gateway-1", Received: noon,
	}
}

// refused is a dead letter with its event.
func refused(id, destination string, at store.Position) store.Record {
	r := event(id)
	r.Kind = store.KindRefused
	r.Refusal = &store.Refusal{
		Destination: destination, Position: at, Attempts: 1, Code: daybook.Invalid,
		Reason: "row_too_large", Field: "metadata", Message: "the row has more bytes than a row may have",
	}
	return r
}

// withoutEvent is a dead letter that has only id and name of its event.
func withoutEvent(r store.Record) store.Record {
	r.Event = daybook.Event{ID: r.Event.ID, Name: r.Event.Name}
	return r
}

func settled(destination string, at store.Position, status daybook.Status, reason string) store.Record {
	return store.Record{
		Kind: store.KindSettled, Event: daybook.Event{ID: fmt.Sprint("id-of-", at), Name: "login"}, Caller: "checkout", Received: noon.Add(time.Second),
		Settlement: &store.Settlement{Position: at, Destination: destination, Status: status, Reason: reason},
	}
}

// list returns what f means.
func (r *room) list(f deadletter.Filter) deadletter.List {
	r.t.Helper()
	l, err := r.index.List(r.t.Context(), f)
	if err != nil {
		r.t.Fatal(err)
	}
	if !l.Complete {
		r.t.Fatalf("the list is not complete: up to %d", l.Through)
	}
	return l
}

// letters returns what is open as "destination position reason", oldest first.
func (r *room) letters() []string {
	r.t.Helper()
	var all []string
	for _, e := range slices.Backward(r.list(deadletter.Filter{Limit: 10_000}).Entries) {
		all = append(all, fmt.Sprint(e.Destination, " ", e.Position, " ", e.Reason))
	}
	return all
}

func (r *room) want(want ...string) {
	r.t.Helper()
	if got := r.letters(); !slices.Equal(got, want) {
		r.t.Errorf("open are %q, want %q", got, want)
	}
}
