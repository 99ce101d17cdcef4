package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/gateway/internal/query/querytest"
	"daybook.dev/gateway/internal/replay"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/need"
	"daybook.dev/internal/wal/waltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// A shelf is a store in memory that knows who holds what.
type shelf struct {
	querytest.Memory
	mu   sync.Mutex
	held map[string]store.Position // guarded by mu
}

func (s *shelf) Hold(name string, after store.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = map[string]store.Position{}
	}
	s.held[name] = after
}

func (s *shelf) Release(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, name)
}

func (s *shelf) holds() map[string]store.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.held)
}

// fill adds events named e0, e1 and so on, a minute apart, and a record of
// another kind behind every third.
func (s *shelf) fill(n int) {
	for i := range n {
		s.Add(fmt.Sprint("e", i), noon.Add(time.Duration(i)*time.Minute), 0)
		if i%3 == 2 {
			s.AddRecord(store.Record{Kind: store.KindSettled, Received: noon.Add(time.Duration(i) * time.Minute)}, 0)
		}
	}
}

// A destination takes what it is handed, unless it was told to say something.
type destination struct {
	mu    sync.Mutex
	taken []daybook.Event // guarded by mu, like everything below
	times []time.Time     // of the calls
	says  func(events []daybook.Event) error
}

func (d *destination) write(ctx context.Context, name string, events []daybook.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.times = append(d.times, time.Now())
	if d.says != nil {
		if err := d.says(events); err != nil {
			return err
		}
	}
	for _, e := range events {
		e.Type = daybook.Type(name)
		d.taken = append(d.taken, e)
	}
	return nil
}

// say makes it answer with what f returns, or take everything again.
func (d *destination) say(f func([]daybook.Event) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.says = f
}

func (d *destination) names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for _, e := range d.taken {
		names = append(names, e.Name)
	}
	return names
}

func (d *destination) calls() []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.times)
}

// A room is a store, a destination and the replays between them, in a bubble of
// time.
type room struct {
	t        *testing.T
	shelf    shelf
	sink     destination
	disk     *waltest.Disk
	log      bytes.Buffer
	replayer *replay.Replayer
	stop     func() // and wait
}

// bubble runs a test with a room whose clock is its own.
func bubble(t *testing.T, test func(t *testing.T, r *room)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: waltest.NewDisk(1)}
		if err := errors.Join(r.disk.Mkdir("/data"), r.disk.SyncDir("/")); err != nil {
			t.Fatal(err)
		}
		r.start()
		defer func() { r.stop() }()
		test(t, r)
	})
}

// compile knows the expressions that are a name, and those that are wrong.
func compile(expression string) (func(*store.Record) bool, error) {
	if strings.Contains(expression, " ") {
		return nil, fmt.Errorf("%q is no name", expression)
	}
	return func(r *store.Record) bool { return r.Event.Name == expression }, nil
}

func (r *room) options() replay.Options {
	return replay.Options{
		Data: "/data", Source: &r.shelf, Write: r.sink.write, Destinations: []string{"kafka", "postgres"},
		Wants:   func(_ string, e *store.Record) bool { return !e.StoreOnly },
		Compile: compile, FS: r.disk, Log: slog.New(slog.NewTextHandler(&r.log, nil)), Jitter: func() float64 { return 1 },
	}
}

// start opens and runs the replays again, as after a restart.
func (r *room) start() {
	r.t.Helper()
	var err error
	if r.replayer, err = replay.Open(r.options()); err != nil {
		r.t.Fatal(err)
	}
	r.stop = run(r.t, r.replayer)
}

// run runs the replays until the function it returns is called.
func run(t *testing.T, r *replay.Replayer) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.Run(ctx) }()
	return func() { cancel(); <-ended }
}

func (r *room) ask(s replay.Spec) replay.Job {
	r.t.Helper()
	j, err := r.replayer.Start(r.t.Context(), s)
	if err != nil {
		r.t.Fatal(err)
	}
	return j
}

func (r *room) job(id string) replay.Job {
	r.t.Helper()
	j, ok := r.replayer.Job(id)
	if !ok {
		r.t.Fatalf("there is no replay %s", id)
	}
	return j
}

// finished waits for the end of a replay.
func (r *room) finished(id string) replay.Job {
	r.t.Helper()
	for range 10_000 {
		if j := r.job(id); j.State.Finished() {
			synctest.Wait()
			return r.job(id)
		}
		time.Sleep(time.Second)
	}
	r.t.Fatalf("it does not end: %+v", r.job(id))
	return replay.Job{}
}
