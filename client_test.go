package daybook_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/daybooktest"
)

// A memory is a sink that keeps copies, and answers as it is told.
type memory struct {
	mu     sync.Mutex // guards what follows
	events []daybook.Event
	writes int
	closed int
	answer func(ctx context.Context, events []daybook.Event) error // nil = takes everything
}

func (m *memory) Write(ctx context.Context, events []daybook.Event) error {
	m.mu.Lock()
	m.writes++
	answer := m.answer
	m.mu.Unlock()
	if answer != nil {
		if err := answer(ctx, events); err != nil {
			return err
		}
	}
	m.take(events)
	return nil
}

func (m *memory) take(events []daybook.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range events {
		e.ID, e.Name, e.Type = strings.Clone(e.ID), strings.Clone(e.Name), daybook.Type(strings.Clone(string(e.Type)))
		e.Actor, e.IdempotencyKey, e.Metadata = strings.Clone(e.Actor), strings.Clone(e.IdempotencyKey), slices.Clone(e.Metadata)
		m.events = append(m.events, e)
	}
}

func (m *memory) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed++
	return nil
}

func (m *memory) answers(f func(ctx context.Context, events []daybook.Event) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = f
}

func (m *memory) all() []daybook.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

func (m *memory) written() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

func (m *memory) names() (names []string) {
	for _, e := range m.all() {
		names = append(names, e.Name)
	}
	return names
}

var errDown = &daybook.Error{Code: daybook.Unavailable, Where: "test", Message: "down"}

func down(context.Context, []daybook.Event) error { return errDown }

// open opens a client on one sink that asks nobody for settings.
func open(t *testing.T, cfg daybook.Config) *daybook.Client {
	t.Helper()
	t.Setenv("DO_NOT_TRACK", "")
	t.Setenv("DAYBOOK_GATEWAY", "")
	if cfg.Settings == nil {
		cfg.Settings = daybook.StaticSettings(daybook.Settings{})
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := daybook.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func to(m daybook.Sink) map[string]daybook.Sink { return map[string]daybook.Sink{"test": m} }

// balanced fails the test unless every event is accounted for.
func balanced(t *testing.T, c *daybook.Client) daybook.Stats {
	t.Helper()
	s := c.Stats()
	sum := s.Delivered + s.Queued + s.Spooled
	for _, n := range s.Dropped {
		sum += n
	}
	if s.Recorded != sum {
		t.Errorf("recorded %d, but delivered %d + queued %d + spooled %d + dropped %v = %d", s.Recorded, s.Delivered, s.Queued, s.Spooled, s.Dropped, sum)
	}
	return s
}

func metadata(t *testing.T, e daybook.Event) map[string]any {
	t.Helper()
	m := map[string]any{}
	if e.Metadata != nil {
		if err := json.Unmarshal(e.Metadata, &m); err != nil {
			t.Fatalf("%s: %v", e.Metadata, err)
		}
	}
	return m
}

func TestRecordDeliversABatchWhenItIsOldEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		c := open(t, daybook.Config{Sinks: to(m), Service: "checkout", Version: "1.2", Commit: "abc", Dev: true, InstallID: "i-1"})
		start := time.Now()
		c.Record(t.Context(), daybook.Behavioral, "login-success", slog.Bool("sso", true), slog.String("user_id", "ann"))

		time.Sleep(9 * time.Second)
		synctest.Wait()
		if n := len(m.all()); n != 0 {
			t.Fatalf("%d events were sent after 9s", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		events := m.all()
		if len(events) != 1 {
			t.Fatalf("%d events after 10s, want 1", len(events))
		}
		e := events[0]
		if e.Name != "login-success" || e.Type != daybook.Behavioral || e.Actor != "ann" || !e.Time.Equal(start) || len(e.ID) != 36 || e.ID[14] != '4' {
			t.Errorf("event %+v", e)
		}
		want := map[string]any{
			"service_name": "checkout", "service_version": "1.2", "service_commit": "abc", "is_dev": true, "install_id": "i-1",
			"sso": true, "user_id": "ann",
		}
		if got := metadata(t, e); !reflect.DeepEqual(got, want) {
			t.Errorf("metadata %v\nwant     %v", got, want)
		}
		if s := balanced(t, c); s.Delivered != 1 || s.Recorded != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestRecordDeliversABatchWhenItIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		c := open(t, daybook.Config{Sinks: to(m), Batch: daybook.BatchOptions{Events: 3}})
		for range 7 {
			c.Record(t.Context(), daybook.Metric, "tick")
		}
		synctest.Wait()
		if n := len(m.all()); n != 6 || m.written() != 2 {
			t.Errorf("%d events in %d writes, want 6 in 2", n, m.written())
		}
		if err := c.Flush(t.Context()); err != nil || len(m.all()) != 7 {
			t.Errorf("after Flush %d events, %v", len(m.all()), err)
		}
	})
}

func TestBatchesAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		c := open(t, daybook.Config{Sinks: to(m), Batch: daybook.BatchOptions{Bytes: 4096}})
		for range 10 {
			c.Record(t.Context(), daybook.Log, "big", slog.String("text", strings.Repeat("x", 1500)))
		}
		synctest.Wait()
		if n := len(m.all()); n != 8 || m.written() != 4 {
			t.Errorf("%d events in %d writes, want 8 in 4", n, m.written())
		}
	})
}

func TestLaterAttributesWin(t *testing.T) {
	m := &memory{}
	c := open(t, daybook.Config{Sinks: to(m), Service: "base", Attrs: []slog.Attr{slog.Int("base", 1), slog.Int("client", 1)}})
	d := c.With(slog.Int("client", 2), slog.Int("context", 2))
	ctx := daybook.ContextWith(t.Context(), slog.Int("context", 3), slog.Int("outer", 3))
	ctx = daybook.NewScope(ctx)
	daybook.Annotate(ctx, slog.Int("outer", 4), slog.Int("inner", 4))
	inner := daybook.NewScope(ctx)
	daybook.Annotate(inner, slog.Int("inner", 5), slog.Int("call", 5))
	d.Record(inner, daybook.Log, "a", slog.Int("call", 6), slog.Int("call", 7), slog.String("event_id", "forged"))
	d.Record(ctx, daybook.Log, "b")
	c.Record(t.Context(), daybook.Log, "c")
	d.RecordMetric(t.Context(), "m", 1.5, slog.Int("value", 9), slog.Int("x", 1))
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := m.all()
	for i, want := range []map[string]any{
		{"service_name": "base", "base": 1.0, "client": 2.0, "context": 3.0, "outer": 4.0, "inner": 5.0, "call": 7.0},
		{"service_name": "base", "base": 1.0, "client": 2.0, "context": 3.0, "outer": 4.0, "inner": 4.0},
		{"service_name": "base", "base": 1.0, "client": 1.0},
	} {
		if m := metadata(t, got[i]); !reflect.DeepEqual(m, want) {
			t.Errorf("event %s has %v\nwant %v", got[i].Name, m, want)
		}
	}
	metric := metadata(t, got[3])
	if metric["value"] != 1.5 || metric["name"] != "m" || metric["x"] != 1.0 || metric["time"] != got[3].Time.Format(time.RFC3339Nano) || got[3].Type != daybook.Metric {
		t.Errorf("metric %+v %v", got[3], metric)
	}
}

func TestNothingOfTheCallerIsKept(t *testing.T) {
	m := &memory{}
	c := open(t, daybook.Config{Sinks: to(m)})
	shared := map[string]int{"n": 1}
	list := []slog.Attr{slog.Any("m", shared)}
	d := c.With(list...)
	ctx := daybook.NewScope(daybook.ContextWith(t.Context(), slog.Any("c", shared)))
	daybook.Annotate(ctx, slog.Any("s", shared))
	d.Record(ctx, daybook.Log, "a", slog.Any("r", shared))
	shared["n"] = 2
	list[0] = slog.Int("m", 3)
	d.Record(ctx, daybook.Log, "b")
	_ = c.Flush(t.Context())
	if got := string(m.all()[0].Metadata); got != `{"m":{"n":1},"c":{"n":1},"s":{"n":1},"r":{"n":1}}` {
		t.Errorf("the event has %s", got)
	}
	if got := string(m.all()[1].Metadata); got != `{"m":{"n":1},"c":{"n":1},"s":{"n":1}}` {
		t.Errorf("the later event has %s", got)
	}
}

func TestNilAndZeroClientsAreSafe(t *testing.T) {
	var none *daybook.Client
	for _, c := range []*daybook.Client{none, {}, none.With(slog.Int("a", 1)), (&daybook.Client{}).WithUserID("u")} {
		ctx := t.Context()
		c.Record(ctx, daybook.Log, "a")
		c.RecordMetric(ctx, "m", 1)
		c.RecordExposure(ctx, daybook.Exposure{})
		c.WithServiceName("s").WithServiceVersion("1", "c").WithIsDev().WithInstallID("i").Record(ctx, daybook.Log, "a")
		for _, err := range []error{
			c.RecordRaw(ctx, nil), c.RecordJSON(ctx, nil), c.RecordLegacy(ctx, daybook.Legacy{}, "a"),
			c.Enqueue(ctx, daybook.Event{}), c.Save(ctx, daybook.Event{}), c.Flush(ctx), c.Close(ctx), c.Reconfigure(ctx, daybook.Config{}),
		} {
			if err != nil {
				t.Errorf("a disabled client failed: %v", err)
			}
		}
		outcomes, err := c.Send(ctx, daybook.Event{ID: "x"})
		if err != nil || len(outcomes) != 1 || outcomes[0].Status != daybook.Dropped || outcomes[0].Reason != "opted_out" || outcomes[0].ID != "x" {
			t.Errorf("Send said %+v, %v", outcomes, err)
		}
		if c.Enabled(ctx, "a") || c.Disabled() == "" || c.Stats().Recorded != 0 {
			t.Error("it is enabled")
		}
		e := c.Event(ctx, daybook.Log, "a", slog.Int("n", 1), slog.String("actor_id", "ann"))
		if len(e.ID) != 36 || e.Time.IsZero() || e.Name != "a" || e.Actor != "ann" || string(e.Metadata) != `{"n":1,"actor_id":"ann"}` {
			t.Errorf("Event built %+v", e)
		}
	}
}

func TestWhoOptedOutIsLeftAlone(t *testing.T) {
	for _, c := range []struct {
		env, value string
		ignore     bool
		want       string
	}{
		{"DO_NOT_TRACK", "1", false, "DO_NOT_TRACK=1"},
		{"DO_NOT_TRACK", "yes", false, "DO_NOT_TRACK=yes"},
		{"DO_NOT_TRACK", "0", false, ""},
		{"DO_NOT_TRACK", "FALSE", false, ""},
		{"DO_NOT_TRACK", "", false, ""},
		{"DO_NOT_TRACK", "1", true, ""},
		{"ACME_TELEMETRY_OFF", "1", false, "ACME_TELEMETRY_OFF=1"},
		{"ACME_TELEMETRY_OFF", "0", false, ""},
	} {
		t.Run(c.env+"="+c.value, func(t *testing.T) {
			t.Setenv("DO_NOT_TRACK", "")
			t.Setenv(c.env, c.value)
			before, dir := runtime.NumGoroutine(), t.TempDir()
			client, err := daybook.Open(daybook.Config{
				Gateway: "http://localhost:1", IgnoreDoNotTrack: c.ignore, OptOut: daybook.OptOutEnv("OTHER", "ACME_TELEMETRY_OFF"),
				Spool: daybook.SpoolOptions{Dir: dir + "/spool"}, Logger: slog.New(slog.DiscardHandler), CloseWithin: time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close(context.Background())
			if got := client.Disabled(); got != c.want {
				t.Fatalf("disabled because of %q, want %q", got, c.want)
			}
			if c.want == "" {
				return
			}
			client.Record(t.Context(), daybook.Log, "a")
			if err := client.Save(t.Context(), daybook.Event{Name: "a"}); err != nil {
				t.Error(err)
			}
			if n := runtime.NumGoroutine(); n > before {
				t.Errorf("%d goroutines more", n-before)
			}
			if names := list(t, dir); len(names) > 0 {
				t.Errorf("files %v", names)
			}
		})
	}
}

func TestAnOptOutCountsAtEveryCall(t *testing.T) {
	m := &memory{}
	reason := ""
	c := open(t, daybook.Config{Sinks: to(m), OptOut: func() string {
		if reason == "panic" {
			panic("boom")
		}
		return reason
	}})
	c.Record(t.Context(), daybook.Log, "a")
	for _, reason = range []string{"the user said so", "panic"} {
		c.Record(t.Context(), daybook.Log, "b")
		if outcomes, err := c.Send(t.Context(), daybook.Event{Name: "b"}); err != nil || outcomes[0].Status != daybook.Dropped {
			t.Errorf("Send said %v, %v", outcomes, err)
		}
		if c.Enabled(t.Context(), "b") || c.Disabled() == "" {
			t.Error("it is enabled")
		}
	}
	reason = ""
	c.Record(t.Context(), daybook.Log, "c")
	_ = c.Flush(t.Context())
	if got := m.names(); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("recorded %v", got)
	}
	if s := balanced(t, c); s.Dropped["opted_out"] != 4 {
		t.Errorf("dropped %v", s.Dropped)
	}
}

func TestAConfigurationThatCannotBeRightIsRefused(t *testing.T) {
	t.Setenv("DAYBOOK_GATEWAY", "")
	for reason, cfg := range map[string]daybook.Config{
		"no_destination": {},
		"invalid_url":    {Gateway: "localhost:8080"},
		"invalid_key":    {Gateway: "http://localhost:8080", Key: "a b"},
		"no_sink":        {Sinks: to(nil)},
		"invalid_name":   {Sinks: map[string]daybook.Sink{"../x": daybook.Discard}},
		"two_gateways":   {Gateway: "http://localhost:8080", Sinks: map[string]daybook.Sink{"gateway": daybook.Discard}},
		"negative":       {Gateway: "http://localhost:8080", Batch: daybook.BatchOptions{Events: -1}},
		"invalid_policy": {Gateway: "http://localhost:8080", Queue: daybook.QueueOptions{WhenFull: 9}},
	} {
		c, err := daybook.Open(cfg)
		e, ok := errors.AsType[*daybook.Error](err)
		if c != nil || !ok || e.Reason != reason || e.Code != daybook.Invalid {
			t.Errorf("%s: got %v, %v", reason, c, err)
		}
	}
}

func TestTheEnvironmentNamesAGatewayOnlyWhereNobodyElseDoes(t *testing.T) {
	env := daybooktest.Gateway(t)
	for name, c := range map[string]struct {
		cfg     daybook.Config
		gateway bool
	}{
		"nothing is named": {daybook.Config{}, true},
		"a sink is named":  {daybook.Config{Sinks: to(daybook.Discard)}, false},
		"both are named":   {daybook.Config{Sinks: to(daybook.Discard), Gateway: env.URL}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DAYBOOK_GATEWAY", env.URL)
			c.cfg.Settings, c.cfg.IgnoreDoNotTrack = daybook.StaticSettings(daybook.Settings{}), true
			client, err := daybook.Open(c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close(t.Context())
			if _, got := client.Stats().Sinks["gateway"]; got != c.gateway {
				t.Errorf("there is a gateway: %v", got)
			}
		})
	}
}

func TestWhatCannotBeRecordedIsCounted(t *testing.T) {
	m := &memory{}
	c := open(t, daybook.Config{Sinks: to(m), Now: func() time.Time { panic("boom") }})
	c.Record(nil, daybook.Log, "a", slog.Float64("n", 0/zero)) //nolint:staticcheck // a nil context must not crash a program
	c.Record(t.Context(), daybook.Log, "")
	c.Record(t.Context(), daybook.Log, "huge", slog.String("text", strings.Repeat("x", 1<<20)))
	_ = c.Flush(t.Context())
	s := balanced(t, c)
	if s.Delivered != 2 || s.Dropped["invalid"] != 1 || s.Replaced != 1 || s.Truncated != 1 {
		t.Errorf("stats %+v", s)
	}
	if got := string(m.all()[1].Metadata); got != `{"truncated":true,"reason":"the event was over 1 MiB"}` {
		t.Errorf("the huge event has %.80s", got)
	}
}

var zero float64
