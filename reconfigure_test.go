package daybook_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
)

// quiet is a configuration that asks nobody.
func quiet(sinks map[string]daybook.Sink) daybook.Config {
	return daybook.Config{
		Sinks: sinks, Settings: daybook.StaticSettings(daybook.Settings{}), Logger: slog.New(slog.DiscardHandler), IgnoreDoNotTrack: true,
	}
}

func TestReconfigureMovesWhatIsQueuedToTheNewSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := &memory{}, &memory{}
		c := open(t, quiet(to(before)))
		record(t, c, "a")
		cfg := quiet(to(after))
		cfg.Service, cfg.Batch.Age = "new", time.Second
		if err := c.Reconfigure(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		record(t, c, "b")
		time.Sleep(time.Second)
		synctest.Wait()
		if got := after.names(); !slices.Equal(got, []string{"a", "b"}) || before.closed != 1 || after.closed != 0 {
			t.Errorf("the new sink has %v; closed %d and %d times", got, before.closed, after.closed)
		}
		if m := metadata(t, after.all()[1]); m["service_name"] != "new" {
			t.Errorf("metadata %v", m)
		}
		balanced(t, c)
	})
}

func TestReconfigureDrainsASinkThatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone, stays, comes := &memory{}, &memory{}, &memory{}
		c := open(t, quiet(map[string]daybook.Sink{"gone": gone, "stays": stays}))
		record(t, c, "a")
		if err := c.Reconfigure(t.Context(), quiet(map[string]daybook.Sink{"stays": stays, "comes": comes})); err != nil {
			t.Fatal(err)
		}
		if got := gone.names(); !slices.Equal(got, []string{"a"}) || gone.closed != 1 || stays.closed != 0 {
			t.Errorf("it has %v, closed %d times; the other %d times", got, gone.closed, stays.closed)
		}
		record(t, c, "b")
		_ = c.Flush(t.Context())
		if !slices.Equal(stays.names(), []string{"a", "b"}) || !slices.Equal(comes.names(), []string{"b"}) {
			t.Errorf("they have %v and %v", stays.names(), comes.names())
		}
		if s := balanced(t, c); s.Sinks["gone"].Delivered != 1 || s.Recorded != 4 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestReconfigureSaysWhatASinkThatGoesHasNotGot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, quiet(map[string]daybook.Sink{"gone": &memory{answer: down}}))
		record(t, c, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := c.Reconfigure(ctx, quiet(to(daybook.Discard)))
		if left, ok := errors.AsType[*daybook.UndeliveredError](err); !ok || left.Lost != 1 {
			t.Errorf("got %v", err)
		}
		if s := balanced(t, c); s.Dropped["closed"] != 1 {
			t.Errorf("dropped %v", s.Dropped)
		}
	})
}

func TestCloseDoesNotWaitForAReconfigureThatDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quiet(map[string]daybook.Sink{"gone": &memory{answer: down}})
		cfg.CloseWithin = time.Second
		c := open(t, cfg)
		record(t, c, "a")
		changed := make(chan error)
		go func() { changed <- c.Reconfigure(context.Background(), quiet(to(daybook.Discard))) }()
		synctest.Wait()
		start := time.Now()
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("Close said %v", err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if left, ok := errors.AsType[*daybook.UndeliveredError](<-changed); !ok || left.Lost != 1 {
			t.Errorf("Reconfigure said %v", left)
		}
		balanced(t, c)
	})
}

func TestWhatCannotBeAppliedChangesNothing(t *testing.T) {
	m := &memory{}
	c := open(t, quiet(to(m)))
	if err := c.Reconfigure(t.Context(), daybook.Config{Gateway: "nowhere"}); daybook.CodeOf(err) != daybook.Invalid {
		t.Errorf("got %v", err)
	}
	record(t, c, "a")
	_ = c.Flush(t.Context())
	if len(m.all()) != 1 || m.closed != 0 {
		t.Errorf("it has %v, closed %d times", m.names(), m.closed)
	}
	// The same again is applied where it can be: what failed is not remembered.
	n := &memory{}
	if err := c.Reconfigure(t.Context(), quiet(to(n))); err != nil {
		t.Fatal(err)
	}
	record(t, c, "b")
	_ = c.Flush(t.Context())
	if len(n.all()) != 1 {
		t.Errorf("the new sink has %v", n.names())
	}
}

func TestTheSameConfigurationChangesNothing(t *testing.T) {
	m := &memory{}
	cfg := quiet(to(m))
	cfg.Attrs = []slog.Attr{slog.Int("a", 1)}
	c := open(t, cfg)
	for range 3 {
		again := quiet(to(m))
		again.Logger = cfg.Logger
		again.Attrs = []slog.Attr{slog.Int("a", 1)}
		if err := c.Reconfigure(t.Context(), again); err != nil || m.closed != 0 {
			t.Fatalf("%v, closed %d times", err, m.closed)
		}
	}
}

func TestAnOptOutAtReconfigureStopsEverythingAndCanBeTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		c := open(t, quiet(to(m)))
		record(t, c, "a")
		off := quiet(to(m))
		off.OptOut = func() string { return "the user said so" }
		if err := c.Reconfigure(t.Context(), off); err != nil || c.Disabled() != "the user said so" {
			t.Fatalf("%v; disabled because of %q", err, c.Disabled())
		}
		record(t, c, "b")
		time.Sleep(time.Minute)
		if m.written() != 0 {
			t.Error("something was sent")
		}
		if s := balanced(t, c); s.Dropped["opted_out"] != 2 {
			t.Errorf("dropped %v", s.Dropped)
		}
		if err := c.Reconfigure(t.Context(), quiet(to(m))); err != nil {
			t.Fatal(err)
		}
		record(t, c, "c")
		_ = c.Flush(t.Context())
		if got := m.names(); !slices.Equal(got, []string{"c"}) {
			t.Errorf("delivered %v", got)
		}
	})
}

// recordAcross records an event and has meanwhile called just before it is
// queued, when the sinks it goes to are already chosen.
func recordAcross(t *testing.T, first map[string]daybook.Sink, meanwhile func(*daybook.Client)) *daybook.Client {
	t.Helper()
	var c *daybook.Client
	var once sync.Once
	cfg := quiet(first)
	cfg.Now = func() time.Time {
		once.Do(func() { meanwhile(c) })
		return time.Now()
	}
	c = open(t, cfg)
	c.Record(context.Background(), daybook.Log, "across")
	return c
}

func TestAnEventAcrossAReconfigureReachesTheSinksThatStayAndThoseThatCome(t *testing.T) {
	stays, goes, comes := &memory{}, &memory{}, &memory{}
	c := recordAcross(t, map[string]daybook.Sink{"stays": stays, "changes": goes}, func(c *daybook.Client) {
		if err := c.Reconfigure(t.Context(), quiet(map[string]daybook.Sink{"stays": stays, "came": comes})); err != nil {
			t.Error(err)
		}
	})
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if len(stays.all()) != 1 || len(goes.all()) != 0 || len(comes.all()) != 1 {
		t.Errorf("stays has %v, goes %v, comes %v", stays.names(), goes.names(), comes.names())
	}
	balanced(t, c)
}

// The lanes of before and those of now have one in common, and all are gone:
// looking for one that takes the event must end.
func TestAnEventAcrossAReconfigureAndCloseIsCountedAsDropped(t *testing.T) {
	stays := &memory{}
	c := recordAcross(t, map[string]daybook.Sink{"stays": stays, "goes": &memory{}}, func(c *daybook.Client) {
		if err := c.Reconfigure(t.Context(), quiet(map[string]daybook.Sink{"stays": stays, "came": &memory{}})); err != nil {
			t.Error(err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if s := balanced(t, c); s.Dropped["closed"] != 1 {
		t.Errorf("%+v", s.Counts)
	}
}

// R18: settings and configuration are replaced under load.
func TestR18ReconfigureUnderLoadLosesNothingAndRepeatsNothing(t *testing.T) {
	ids := &tallySink{seen: map[string]int{}}
	cfg := func(i int) daybook.Config {
		c := quiet(map[string]daybook.Sink{[]string{"a", "b"}[i%2]: ids.another()})
		c.Queue = daybook.QueueOptions{Events: 1 << 20, Bytes: 1 << 30}
		c.Batch.Events = 1 + i%50
		return c
	}
	c := open(t, cfg(0))
	const callers, each = 4, 6000
	var done atomic.Bool
	var swaps, recorded atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := 0; i < each || swaps.Load() < 10; i++ { // however slow the machine is
				recorded.Add(1)
				c.Record(context.Background(), daybook.Log, "a")
				if i%500 == 0 || i >= each { // leave the changes some of a slow machine
					<-time.After(time.Millisecond)
				}
			}
		})
	}
	changing := make(chan struct{})
	go func() {
		defer close(changing)
		for i := 1; !done.Load(); i++ {
			if err := c.Reconfigure(context.Background(), cfg(i)); err != nil {
				t.Error(err)
			}
			swaps.Add(1)
		}
	}()
	wg.Wait()
	done.Store(true)
	<-changing
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	s := balanced(t, c)
	n := int(recorded.Load())
	if s.Delivered != uint64(n) || len(s.Dropped) > 0 {
		t.Errorf("%d recorded, and after %d changes: %+v", n, swaps.Load(), s.Counts)
	}
	ids.mu.Lock()
	defer ids.mu.Unlock()
	twice := 0
	for _, n := range ids.seen {
		if n != 1 {
			twice++
		}
	}
	if len(ids.seen) != n || twice > 0 {
		t.Errorf("%d different events of %d, %d of them more than once", len(ids.seen), n, twice)
	}
	t.Logf("%d changes under load", swaps.Load())
}

// A tallySink counts each ID. Sinks made with another share the count.
type tallySink struct {
	mu   sync.Mutex
	seen map[string]int
}

type talliedSink struct{ *tallySink }

func (s *tallySink) another() daybook.Sink { return &talliedSink{s} }

func (s *tallySink) Write(_ context.Context, events []daybook.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		s.seen[string([]byte(e.ID))]++
	}
	return nil
}

func (s *tallySink) Close(context.Context) error { return nil }

// Everything at once; the race detector and the balance are the judges.
func TestStressOfEverythingAtOnce(t *testing.T) {
	dir := t.TempDir()
	ids := &tallySink{seen: map[string]int{}}
	cfg := func(i int) daybook.Config {
		c := quiet(map[string]daybook.Sink{"a": ids.another(), []string{"b", "c"}[i%2]: &memory{}})
		c.Spool = daybook.SpoolOptions{Dir: dir}
		c.Batch.Events = 1 + i%20
		c.Queue.WhenFull = daybook.WhenFull(i % 4)
		return c
	}
	c := open(t, cfg(0))
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	again := func(f func(i int)) {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				f(i)
			}
		})
	}
	scoped := daybook.NewScope(daybook.ContextWith(context.Background(), slog.Int("c", 1)))
	again(func(int) { c.Record(scoped, daybook.Log, "a", slog.Int("n", 1)) })
	again(func(i int) { c.With(slog.Int("w", i)).Record(scoped, daybook.Log, "a") })
	again(func(i int) { daybook.Annotate(scoped, slog.Int("s", i)); c.RecordMetric(scoped, "m", 1) })
	again(func(int) { _ = c.Save(ctx, c.Event(scoped, daybook.Log, "saved")) })
	again(func(int) { _, _ = c.Send(ctx, c.Event(scoped, daybook.Log, "sent")) })
	again(func(int) { _ = c.Enqueue(ctx, c.Event(scoped, daybook.Log, "queued")) })
	again(func(i int) { _ = c.Reconfigure(ctx, cfg(i)) })
	again(func(int) { _ = c.Flush(ctx); c.Stats(); c.Enabled(ctx, "a") })
	<-ctx.Done()
	// Close comes while the others are still at it.
	closing, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	err := c.Close(closing)
	wg.Wait()
	if left, ok := errors.AsType[*daybook.UndeliveredError](err); ok && left.Lost > 0 {
		t.Errorf("Close said %v", err)
	}
	s := balanced(t, c)
	t.Logf("%+v", s.Counts)
}
