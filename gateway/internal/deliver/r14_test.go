package deliver_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/internal/wal/waltest"
)

// A gateway is accept, a journal on a disk in memory, and an engine.
type gateway struct {
	t       *testing.T
	accept  *accept.Accepter
	journal *journal.Journal
	*running
	log logged
}

func openGateway(t *testing.T, o journal.Options, destinations ...deliver.Destination) *gateway {
	t.Helper()
	g := &gateway{t: t}
	o.Dir, o.FS, o.Log = "/data", waltest.NewDisk(1), slog.New(slog.DiscardHandler)
	for _, d := range destinations {
		o.Followers = append(o.Followers, d.Name)
	}
	j, err := journal.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	id, epoch := j.Life()
	e, err := deliver.Open(t.Context(), deliver.Options{
		Store: j, StoreID: id, Epoch: epoch, Dir: "/data", FS: o.FS, Destinations: destinations,
		SharedBytes: 100 << 10, // so that what is not kept any more is not in memory either
		Log:         slog.New(slog.NewTextHandler(&g.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(context.Background())
	g.journal, g.running = j, &running{Engine: e, t: t, kill: kill, done: make(chan error, 1)}
	g.accept = &accept.Accepter{Admit: &admit.Admitter{}, Store: j, Instance: "here"}
	go func() { g.done <- e.Run(ctx) }()
	return g
}

// send accepts events with ids prefix-0, …, and requires that each was stored
// without any waiting: the clock of the test stands still.
func (g *gateway) send(prefix string, n, size int) {
	g.t.Helper()
	var submissions []admit.Submission
	for i := range n {
		submissions = append(submissions, admit.Submission{Event: daybook.Event{
			ID: fmt.Sprintf("%s-%d", prefix, i), Name: "login-success", Metadata: fmt.Appendf(nil, `{"text":"%0*d"}`, size, i),
		}})
	}
	began := time.Now()
	outcomes := g.accept.Accept(g.t.Context(), accept.Batch{Caller: caller.Caller{Name: "shop"}, Protocol: "http", Events: submissions})
	if took := time.Since(began); took != 0 {
		g.t.Errorf("%s: answered after %v", prefix, took)
	}
	for i, o := range outcomes {
		if o.Status != daybook.Stored || o.ID != submissions[i].Event.ID {
			g.t.Errorf("%s: %+v", prefix, o)
		}
	}
}

func (g *gateway) close() {
	g.t.Helper()
	g.stop()
	if err := g.journal.Close(context.Background()); err != nil {
		g.t.Error(err)
	}
}

func TestR14BesideAHungDestinationEventsAreAcceptedAndItsNeighboursGetThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung, neighbour := &delivertest.Sink{}, &delivertest.Sink{}
		release := make(chan struct{})
		hung.Do(func(context.Context, []daybook.Event) error { <-release; return nil }) // not even its context ends it
		g := openGateway(t, journal.Options{}, out(hung), deliver.Destination{Name: "neighbour", Sink: neighbour, Batch: deliver.Batch{Age: 10 * time.Millisecond}})
		const minutes, each1 = 60, 100
		for m := range minutes {
			g.send(fmt.Sprint("minute-", m), each1, 100)
			settle(time.Minute)
			if s := g.statusOf("neighbour"); s.Queued != 0 {
				t.Fatalf("minute %d: the neighbour waits for %d events", m, s.Queued)
			}
		}
		if s := g.status(); s.Delivered != 0 || s.Queued != minutes*each1 || s.Lag(time.Now()) < 59*time.Minute {
			t.Errorf("the hung destination: %+v", s)
		}
		close(release)
		settle(time.Minute)
		g.wants(deliver.Counts{Delivered: minutes * each1}, 0)
		for m := range minutes { // the first of the outage, too
			each(t, hung, 1, 1, ids(fmt.Sprint("minute-", m), each1)...)
		}
		g.close()
	})
}

func TestR14AnOutageLongerThanRecordsAreKeptIsDeliveredAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &delivertest.Sink{}
		sink.Fail(delivertest.Coded(daybook.Unavailable))
		g := openGateway(t, journal.Options{Keep: time.Minute, ChunkBytes: 64 << 10}, out(sink))
		for h := range 24 {
			g.send(fmt.Sprint("minute-", h), 50, 1000)
			settle(time.Minute)
		}
		sink.Fail(nil)
		settle(time.Minute)
		g.wants(deliver.Counts{Delivered: 24 * 50}, 0)
		for h := range 24 {
			each(t, sink, 1, 1, ids(fmt.Sprint("minute-", h), 50)...)
		}
		settle(5 * time.Minute)
		if oldest, _ := g.journal.Bounds(); oldest < 1000 {
			t.Errorf("delivered, and still kept from %d on", oldest)
		}
		g.close()
	})
}

func TestR14WhenTheDiskHoldsNoMoreTheOldestGoCountedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead, neighbour := &delivertest.Sink{}, &delivertest.Sink{}
		dead.Fail(delivertest.Coded(daybook.Unavailable))
		d := out(dead)
		d.Concurrency, d.Batch.Events = 1, 20 // so that little of it is in memory
		g := openGateway(t, journal.Options{MaxBytes: 1 << 20, ChunkBytes: 64 << 10},
			d, deliver.Destination{Name: "neighbour", Sink: neighbour, Batch: deliver.Batch{Age: 10 * time.Millisecond}})
		const rounds, each1 = 60, 50
		for m := range rounds {
			g.send(fmt.Sprint("round-", m), each1, 1000)
			settle(10 * time.Second)
			balanced(t, g.status())
		}
		if s := g.statusOf("neighbour"); s.Delivered != rounds*each1 {
			t.Errorf("the neighbour: %+v", s)
		}
		dead.Fail(nil)
		settle(time.Minute)
		s := g.status()
		balanced(t, s)
		if s.Queued != 0 || s.Evicted == 0 || s.Delivered != uint64(len(dead.Taken())) || s.Delivered+s.Evicted != rounds*each1 {
			t.Errorf("%+v, taken %d of %d", s, len(dead.Taken()), rounds*each1)
		}
		each(t, dead, 1, 1, ids(fmt.Sprint("round-", rounds-1), each1)...)
		if lines := g.log.lines("level=ERROR", "removed or damaged", fmt.Sprintf("events=%d", s.Evicted)); len(lines) != 1 {
			t.Errorf("the log says %q", g.log.lines("level=ERROR"))
		}
		g.close()
	})
}
