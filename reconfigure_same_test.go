package daybook_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/daybooktest"
)

func TestAConfigurationThatItsOwnerHasChangedIsApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, more := &memory{}, &memory{}
		cfg := quiet(to(m))
		cfg.Attrs = []slog.Attr{slog.String("region", "eu")}
		c := open(t, cfg)
		cfg.Sinks["more"] = more // the map that Open was given
		cfg.Attrs[0] = slog.String("region", "us")
		record(t, c, "before")
		if err := c.Reconfigure(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		record(t, c, "after")
		_ = c.Flush(t.Context())
		if got := more.names(); !slices.Equal(got, []string{"after"}) {
			t.Errorf("the sink that was added has %v", got)
		}
		if got := m.all(); metadata(t, got[0])["region"] != "eu" || metadata(t, got[1])["region"] != "us" {
			t.Errorf("metadata %s and %s", got[0].Metadata, got[1].Metadata)
		}
	})
}

// A closable is a sink that takes nothing once it is closed.
type closable struct{ memory }

func (s *closable) Write(ctx context.Context, events []daybook.Event) error {
	s.mu.Lock()
	closed := s.closed > 0
	s.mu.Unlock()
	if closed {
		return daybook.ErrClosed
	}
	return s.memory.Write(ctx, events)
}

func TestASinkThatGetsAnotherNameStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, other := &closable{}, &closable{}
		c := open(t, quiet(map[string]daybook.Sink{"old": s, "other": other}))
		record(t, c, "a")
		if err := c.Reconfigure(t.Context(), quiet(map[string]daybook.Sink{"new": s})); err != nil {
			t.Fatal(err)
		}
		record(t, c, "b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Flush(ctx); err != nil {
			t.Error(err)
		}
		if got := s.names(); !slices.Equal(got, []string{"a", "b"}) || s.closed != 0 || other.closed != 1 {
			t.Errorf("it has %v; closed %d and the other %d times", got, s.closed, other.closed)
		}
		if _ = c.Close(t.Context()); s.closed != 1 {
			t.Errorf("in the end it was closed %d times", s.closed)
		}
	})
}

// A polled source counts who asks it, and how many at one moment.
type polled struct {
	mu       sync.Mutex // guards what follows
	asking   int
	most     int
	asked    int
	settings daybook.Settings
	before   func()
}

func (s *polled) Settings(context.Context) (daybook.Settings, error) {
	s.mu.Lock()
	s.asked++
	s.asking++
	s.most = max(s.most, s.asking)
	settings, before := s.settings, s.before
	s.mu.Unlock()
	if before != nil {
		before()
	}
	s.mu.Lock()
	s.asking--
	s.mu.Unlock()
	return settings, nil
}

// counts says how often it was asked, and by how many at once.
func (s *polled) counts() (asked, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, s.most
}

func TestASourceOfSettingsIsAskedByOneAtATimeAcrossAReconfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &polled{before: func() { time.Sleep(10 * time.Second) }}
		cfg := quiet(nil)
		cfg.Gateway, cfg.Key, cfg.Settings = "http://gateway.invalid", "one", s
		c := open(t, cfg)
		synctest.Wait()
		cfg.Key = "two"
		if err := c.Reconfigure(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if asked, most := s.counts(); most != 1 || asked < 10 {
			t.Errorf("asked %d times, by %d at once", asked, most)
		}
	})
}

func TestWhoOptsOutLaterIsAskedForNoSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &polled{}
		cfg := quiet(to(&memory{}))
		cfg.Settings = s
		c := open(t, cfg)
		synctest.Wait()
		off := cfg
		off.OptOut = func() string { return "the user" }
		if err := c.Reconfigure(t.Context(), off); err != nil {
			t.Fatal(err)
		}
		before, _ := s.counts()
		time.Sleep(time.Hour)
		if after, _ := s.counts(); after != before {
			t.Errorf("it was asked %d times after the opt-out", after-before)
		}
		if err := c.Reconfigure(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.settings.Kill.Sinks = []string{"test"}
		s.mu.Unlock()
		time.Sleep(time.Hour)
		if c.Enabled(t.Context(), "a") {
			t.Error("after it was taken back settings are not applied")
		}
	})
}

func TestCloseDoesNotWaitForTheGatewayThatSettingsLeave(t *testing.T) {
	first := daybooktest.Gateway(t, daybooktest.Hang())
	second := daybooktest.Gateway(t)
	s := &polled{}
	cfg := quiet(nil)
	cfg.Gateway, cfg.Settings, cfg.CloseWithin = first.URL, s, 300*time.Millisecond
	cfg.Batch.Events = 1
	cfg.Hosts = []string{second.URL[len("http://"):]}
	s.settings.Gateway.BaseURL = second.URL
	arrived := make(chan struct{})
	s.before = func() { <-arrived }
	c := open(t, cfg)
	record(t, c, "a")
	eventually(t, "the first gateway hangs", func() bool { return len(first.Requests()) == 1 })
	close(arrived)
	eventually(t, "the settings are being applied", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		return c.Reconfigure(ctx, cfg) != nil // it is another's turn
	})
	start := time.Now()
	_ = c.Close(t.Context())
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("Close took %v of %v", took, cfg.CloseWithin)
	}
}
