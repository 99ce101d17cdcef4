package deliver_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
)

// cpu is the processor time this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// counting is a sink that takes everything and counts it.
type counting struct {
	events atomic.Int64
	reach  int64
	done   chan struct{}
}

func (c *counting) Write(_ context.Context, events []daybook.Event) error {
	if n := c.events.Add(int64(len(events))); n >= c.reach && n-int64(len(events)) < c.reach {
		close(c.done)
	}
	return nil
}

func (c *counting) Close(context.Context) error { return nil }

// A bench is a journal in a directory of the benchmark.
type bench struct {
	b         *testing.B
	dir       string
	followers []string
	journal   *journal.Journal
	made      atomic.Int64
}

func newBench(b *testing.B, followers ...string) *bench {
	b.Helper()
	at := &bench{b: b, dir: filepath.Join(b.TempDir(), "data"), followers: followers}
	at.open()
	b.Cleanup(func() { _ = at.journal.Close(context.Background()) })
	return at
}

func (b *bench) open() {
	b.b.Helper()
	var err error
	b.journal, err = journal.Open(b.b.Context(), journal.Options{Dir: b.dir, AllowEphemeral: true, Followers: b.followers})
	if err != nil {
		b.b.Fatal(err)
	}
}

// backlog stores as many events as the benchmark counts, and nothing of that is
// still going on afterwards.
func (b *bench) backlog() {
	b.b.Helper()
	for made := 0; made < b.b.N; made += 500 {
		b.append(min(500, b.b.N-made))
	}
	if err := b.journal.Close(context.Background()); err != nil {
		b.b.Fatal(err)
	}
	b.open()
	runtime.GC()
}

var text = []byte(`{"text":"` + strings.Repeat("x", 360) + `"}`)

// append stores n events of about 500 bytes.
func (b *bench) append(n int) {
	now := time.Now()
	records := make([]store.Record, n)
	for i := range records {
		r := delivertest.Event("shop", fmt.Sprintf("0190d7f4-%012d", b.made.Add(1)), "ann")
		r.Event.Metadata, r.Received, r.Event.Time = text, now, now
		records[i] = r
	}
	if _, err := b.journal.Append(context.Background(), records); err != nil {
		b.b.Error(err)
	}
}

// run starts an engine and returns what ends it.
func (b *bench) run(destinations ...deliver.Destination) (stop func()) {
	b.b.Helper()
	id, epoch := b.journal.Life()
	e, err := deliver.Open(b.b.Context(), deliver.Options{Store: b.journal, StoreID: id, Epoch: epoch, Dir: b.dir, Destinations: destinations})
	if err != nil {
		b.b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- e.Run(context.Background()) }()
	return func() {
		if err := e.Close(context.Background()); err != nil {
			b.b.Error(err)
		}
		<-done
	}
}

// BenchmarkDeliver hands a backlog of events of 500 bytes to a sink that discards
// them, in batches of 500. cpu-us/event is the time of all threads: reading,
// decoding, batching, counting.
func BenchmarkDeliver(b *testing.B) {
	at := newBench(b, "out")
	at.backlog()
	sink := &counting{reach: int64(b.N), done: make(chan struct{})}
	b.ReportAllocs()
	b.ResetTimer()
	began := cpu()
	stop := at.run(deliver.Destination{Name: "out", Sink: sink})
	<-sink.done
	b.StopTimer()
	b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N), "cpu-us/event")
	stop()
}

// BenchmarkDeliverTen is BenchmarkDeliver with ten destinations; the time is per
// event and destination.
func BenchmarkDeliverTen(b *testing.B) {
	const many = 10
	var names []string
	for i := range many {
		names = append(names, fmt.Sprint("out-", i))
	}
	at := newBench(b, names...)
	at.backlog()
	var all []deliver.Destination
	var sinks []*counting
	for _, name := range names {
		sink := &counting{reach: int64(b.N), done: make(chan struct{})}
		sinks = append(sinks, sink)
		all = append(all, deliver.Destination{Name: name, Sink: sink})
	}
	b.ResetTimer()
	began := cpu()
	stop := at.run(all...)
	for _, sink := range sinks {
		<-sink.done
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N)/many, "cpu-us/event")
	stop()
}

// BenchmarkIdle has fifty destinations and no events. percent is the share of
// one core they take.
func BenchmarkIdle(b *testing.B) {
	const many = 50
	var all []deliver.Destination
	var names []string
	for i := range many {
		names = append(names, fmt.Sprint("idle-", i))
		all = append(all, deliver.Destination{Name: names[i], Sink: daybook.Discard})
	}
	at := newBench(b, names...)
	at.append(100)
	stop := at.run(all...)
	time.Sleep(3 * time.Second) // until all is delivered and written
	for b.Loop() {
		began, used := time.Now(), cpu()
		time.Sleep(3 * time.Second)
		b.ReportMetric(100*float64(cpu()-used)/float64(time.Since(began)), "percent")
	}
	stop()
}

// BenchmarkAppendBesideADeadDestination appends single events from 16 goroutines,
// in turns with a destination that takes everything and with one beside it that
// hangs, in one run. ratio-p99 is that of the two.
func BenchmarkAppendBesideADeadDestination(b *testing.B) {
	alone, beside := newBench(b, "out"), newBench(b, "out", "dead")
	out := func() deliver.Destination {
		return deliver.Destination{Name: "out", Sink: daybook.Discard}
	}
	dead := &delivertest.Sink{}
	dead.Do(func(ctx context.Context, _ []daybook.Event) error { <-ctx.Done(); return ctx.Err() })
	stopAlone := alone.run(out())
	stopBeside := beside.run(out(), deliver.Destination{Name: "dead", Sink: dead, Timeout: time.Second})
	var with, without []time.Duration
	for b.Loop() {
		for range 10 {
			without = append(without, appends(alone)...)
			with = append(with, appends(beside)...)
		}
	}
	slices.Sort(with)
	slices.Sort(without)
	p99 := func(d []time.Duration) time.Duration { return d[len(d)*99/100] }
	b.ReportMetric(float64(p99(without).Microseconds()), "us-p99-without")
	b.ReportMetric(float64(p99(with).Microseconds()), "us-p99-with")
	b.ReportMetric(float64(p99(with))/float64(p99(without)), "ratio-p99")
	stopAlone()
	stopBeside()
}

// appends makes 16 goroutines append 100 single events each, and returns how long
// each append took.
func appends(b *bench) []time.Duration {
	const appenders, each = 16, 100
	took := make([]time.Duration, appenders*each)
	var running sync.WaitGroup
	for a := range appenders {
		running.Go(func() {
			for i := range each {
				began := time.Now()
				b.append(1)
				took[a*each+i] = time.Since(began)
			}
		})
	}
	running.Wait()
	return took
}
