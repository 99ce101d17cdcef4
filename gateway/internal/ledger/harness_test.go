package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/ledger"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/need"
	"daybook.dev/internal/wal/waltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

// A gateway is a real journal with its ledger, and the way of events into both.
type gateway struct {
	t       *testing.T
	disk    *waltest.Disk
	options journal.Options
	journal *journal.Journal
	ledger  *ledger.Ledger
	accept  *accept.Accepter
	failed  []error // what the ledger reported
}

// start starts a gateway on what is on the disk. Call it in a bubble of
// synctest: a gateway waits for time to pass.
func start(t *testing.T, disk *waltest.Disk, change ...func(*journal.Options, *ledger.Options)) *gateway {
	t.Helper()
	g := &gateway{t: t, disk: disk, options: journal.Options{Dir: "/data", FS: disk}}
	o := ledger.Options{Instance: "here", Failed: func(err error) { g.failed = append(g.failed, err) }}
	for _, c := range change {
		c(&g.options, &o)
	}
	var err error
	if g.journal, err = journal.Open(t.Context(), g.options); err != nil {
		t.Fatal(err)
	}
	if w, ok := o.Store.(*wrapped); ok {
		w.Journal = g.journal
	} else {
		o.Store = g.journal
	}
	g.ledger = ledger.Open(o)
	g.accept = &accept.Accepter{
		Admit: &admit.Admitter{}, Store: g.journal, Instance: "here",
		Observe: func(b accept.Batch, outcomes []daybook.Outcome) { g.ledger.Observe(b.Caller.Name, outcomes) },
	}
	return g
}

// stop stops the gateway as it should be.
func (g *gateway) stop() {
	g.t.Helper()
	if err := g.ledger.Close(context.Background()); err != nil {
		g.t.Errorf("ledger: %v", err)
	}
	if err := g.journal.Close(context.Background()); err != nil {
		g.t.Errorf("journal: %v", err)
	}
}

// kill returns what a kill, or for less than Everything a power cut, leaves.
func (g *gateway) kill(keep waltest.Keep) *waltest.Disk {
	left := g.disk.Restart(keep)
	_ = g.ledger.Close(context.Background()) // its calls fail: the process is gone
	_ = g.journal.Close(context.Background())
	return left
}

// send sends events with these ids and returns their outcomes. An id that begins
// with "!" is of an event that is refused.
func (g *gateway) send(from string, ids ...string) []daybook.Outcome {
	b := accept.Batch{Caller: caller.Caller{Name: from}, Protocol: "http"}
	for _, id := range ids {
		e := daybook.Event{ID: id, Name: "login"}
		if id[0] == '!' {
			e.Name = " "
		}
		b.Events = append(b.Events, admit.Submission{Event: e})
	}
	return g.accept.Accept(g.t.Context(), b)
}

// report returns the account once everything that is under way has been done.
func (g *gateway) report() ledger.Report {
	g.t.Helper()
	synctest.Wait()
	r := g.ledger.Report()
	if r.Counting {
		g.t.Error("still counting")
	}
	for _, c := range r.Callers {
		if c.Received != c.Stored+c.Duplicate+c.Dropped+c.Refused+c.Failed {
			g.t.Errorf("out of balance: %+v", c)
		}
	}
	return r
}

// of returns the account of one caller.
func of(r ledger.Report, name string) ledger.Caller {
	for _, c := range r.Callers {
		if c.Caller == name {
			return c
		}
	}
	return ledger.Caller{Caller: name}
}

// summaries returns how many summaries the journal has.
func (g *gateway) summaries() (n int) {
	for _, e := range storetest.ReadAll(g.t, g.journal, 1000) {
		if e.Kind == store.KindSummary {
			n++
		}
	}
	return n
}

// there returns how many events of each caller the journal has.
func (g *gateway) there() map[string]uint64 {
	events := map[string]uint64{}
	for _, e := range storetest.ReadAll(g.t, g.journal, 1000) {
		if e.Kind == store.KindEvent {
			events[e.Caller]++
		}
	}
	return events
}

// ids returns n ids that begin alike.
func ids(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return all
}

// A wrapped is a journal that answers some calls differently.
type wrapped struct {
	*journal.Journal
	append    func(records []store.Record) // is called before records are appended
	readKinds func(after store.Position) error
	bounds    func(oldest, newest store.Position) (store.Position, store.Position)
}

func (w *wrapped) Append(ctx context.Context, records []store.Record) ([]store.Receipt, error) {
	if w.append != nil {
		w.append(records)
	}
	return w.Journal.Append(ctx, records)
}

func (w *wrapped) ReadKinds(ctx context.Context, after store.Position, most int, kinds ...store.Kind) ([]store.Entry, store.Position, error) {
	if w.readKinds != nil {
		if err := w.readKinds(after); err != nil {
			return nil, after, err
		}
	}
	return w.Journal.ReadKinds(ctx, after, min(most, 10), kinds...)
}

func (w *wrapped) Bounds() (oldest, newest store.Position) {
	if w.bounds != nil {
		return w.bounds(w.Journal.Bounds())
	}
	return w.Journal.Bounds()
}

// over puts the wrapped journal between the journal and the ledger.
func over(w *wrapped) func(*journal.Options, *ledger.Options) {
	return func(_ *journal.Options, o *ledger.Options) { o.Store = w }
}

// unreadable is a journal that has gone blind.
func unreadable() *wrapped {
	return &wrapped{readKinds: func(store.Position) error { return errors.New("no") }}
}
