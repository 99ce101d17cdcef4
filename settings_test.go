package daybook_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/daybooktest"
)

func TestSettingsAreReadWithinLimits(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       daybook.Settings
	}{
		{"nothing", `{}`, daybook.Settings{}},
		{"unknown members", `{"theme":"dark"}`, daybook.Settings{}},
		{
			"rates", `{"sampling":{"half":{"sample_rate":0.5,"by":"user_id"},"none":{"sample_rate":0},"all":{"sample_rate":1}}}`,
			daybook.Settings{Sampling: map[string]daybook.SampleRule{"half": {Rate: 0.5, By: "user_id"}, "none": {}, "all": {Rate: 1}}},
		},
		{
			"rates that are none keep everything", `{"sampling":{"a":{"sample_rate":"0.5"},"b":{"sample_rate":-1},"c":{"sample_rate":1.5},"d":{},"e":7,"f":{"sample_rate":null},"g":{"sample_rate":1e999}}}`,
			daybook.Settings{Sampling: map[string]daybook.SampleRule{}},
		},
		{"kill switches, short", `{"kill":["kafka"]}`, daybook.Settings{Kill: daybook.KillSettings{Sinks: []string{"kafka"}}}},
		{"kill switches, long", `{"kill":{"sinks":["*"],"purge":true}}`, daybook.Settings{Kill: daybook.KillSettings{Sinks: []string{"*"}, Purge: true}}},
		{
			"our batch", `{"batch":{"events":50,"bytes":65536,"age_millis":2500,"queue_events":100,"attempts":3}}`,
			daybook.Settings{Batch: daybook.BatchOptions{Events: 50, Bytes: 65536, Age: 2500 * time.Millisecond}, QueueEvents: 100, Attempts: 3},
		},
		{
			"the first-party logger's", `{"batch":{"maxExportBatchSize":50,"scheduledDelayMillis":2500,"maxQueueSize":100,"maxAttempts":3,"skipAuth":true,"path":"/p","baseUrl":"https://x"}}`,
			daybook.Settings{
				Batch: daybook.BatchOptions{Events: 50, Age: 2500 * time.Millisecond}, QueueEvents: 100, Attempts: 3,
				Gateway: daybook.GatewaySettings{BaseURL: "https://x", Path: "/p", SkipKey: true},
			},
		},
		{
			"too much", `{"batch":{"events":1e12,"bytes":1e12,"age_millis":1e12,"queue_events":1e12,"attempts":1e12}}`,
			daybook.Settings{Batch: daybook.BatchOptions{Events: 10_000, Bytes: 8 << 20, Age: time.Hour}, QueueEvents: 1 << 20, Attempts: 1000},
		},
		{
			"too little", `{"batch":{"events":-1,"bytes":1,"age_millis":1,"queue_events":1}}`,
			daybook.Settings{Batch: daybook.BatchOptions{Bytes: 4096, Age: 10 * time.Millisecond}, QueueEvents: 16},
		},
		{
			"what is wrong costs nothing else", `{"batch":{"events":"many","bytes":65536},"sampling":[],"kill":7}`,
			daybook.Settings{Batch: daybook.BatchOptions{Bytes: 65536}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got daybook.Settings
			if err := json.Unmarshal([]byte(c.text), &got); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%v: got  %+v\nwant %+v", err, got, c.want)
			}
			text, err := json.Marshal(got)
			var again daybook.Settings
			if err != nil || json.Unmarshal(text, &again) != nil || !sameSettings(again, got) {
				t.Errorf("written as %s, %v: read as %+v", text, err, again)
			}
		})
	}
	for _, text := range []string{`[]`, `null`, `7`, `{`} {
		var s daybook.Settings
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s was read as %+v", text, s)
		}
	}
}

// sameSettings compares settings; an empty map is as good as none.
func sameSettings(a, b daybook.Settings) bool {
	if len(a.Sampling) == 0 && len(b.Sampling) == 0 {
		a.Sampling, b.Sampling = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

func sampling(rules map[string]daybook.SampleRule) daybook.Config {
	return daybook.Config{Settings: daybook.StaticSettings(daybook.Settings{Sampling: rules}), Queue: daybook.QueueOptions{Events: 1 << 16}}
}

func TestSamplingKeepsAShareAndSaysWhich(t *testing.T) {
	m := &memory{}
	cfg := sampling(map[string]daybook.SampleRule{
		"quarter": {Rate: 0.25}, "none": {Rate: 0}, "all": {Rate: 1}, "nan": {Rate: math.NaN()}, "less": {Rate: -1}, "more": {Rate: 7},
		"growthbook_experiment": {Rate: 0}, "click": {Rate: 0},
	})
	cfg.Sinks = to(m)
	c := open(t, cfg)
	for range 4000 {
		record(t, c, "quarter")
	}
	record(t, c, "none", "all", "nan", "less", "more", "unlisted")
	c.RecordExposure(t.Context(), daybook.Exposure{Experiment: "x"})
	if err := c.RecordRaw(t.Context(), whole()); err != nil {
		t.Error(err)
	}
	_ = c.Flush(t.Context())
	quarter := 0
	var rest []string
	for _, e := range m.all() {
		if e.Name == "quarter" {
			quarter++
			if e.SampleRate != 0.25 {
				t.Fatalf("rate %v", e.SampleRate)
			}
			continue
		}
		rest = append(rest, e.Name)
		if e.SampleRate != 0 {
			t.Errorf("%s has rate %v", e.Name, e.SampleRate)
		}
	}
	if quarter < 850 || quarter > 1150 {
		t.Errorf("%d of 4000 were kept, want about 1000", quarter)
	}
	if want := []string{"all", "nan", "less", "more", "unlisted", "growthbook_experiment", "click"}; !slices.Equal(rest, want) {
		t.Errorf("kept %v\nwant %v", rest, want)
	}
	if s := balanced(t, c); s.Dropped["sampled"] != uint64(4001-quarter) {
		t.Errorf("dropped %v", s.Dropped)
	}
	if c.Enabled(t.Context(), "none") || !c.Enabled(t.Context(), "quarter") || !c.Enabled(t.Context(), "unlisted") {
		t.Error("Enabled does not know the rules")
	}
}

func TestADecisionIsTheSameForWhoeverAsksAgain(t *testing.T) {
	a, b := &memory{}, &memory{}
	cfg := sampling(map[string]daybook.SampleRule{"step": {Rate: 0.5, By: "user_id"}, "sent": {Rate: 0.5}})
	cfg.Sinks = map[string]daybook.Sink{"a": a, "b": b}
	c := open(t, cfg)
	for user := range 100 {
		for range 3 {
			c.WithUserID(fmt.Sprintf("user%d", user)).Record(t.Context(), daybook.Behavioral, "step")
		}
	}
	_ = c.Flush(t.Context())
	per := map[string]int{}
	for _, e := range a.all() {
		per[e.Actor]++
	}
	if len(per) < 30 || len(per) > 70 {
		t.Errorf("%d of 100 users were kept", len(per))
	}
	for user, n := range per {
		if n != 3 {
			t.Errorf("%s has %d of 3 steps: the funnel is broken", user, n)
		}
	}
	if len(a.all()) != len(b.all()) {
		t.Errorf("one sink has %d events, the other %d: one decision is for all", len(a.all()), len(b.all()))
	}
	for user := range 100 { // the rule of the contract
		sum := sha256.Sum256(fmt.Appendf(nil, "user%d", user))
		keep := float64(binary.BigEndian.Uint64(sum[:8]))/math.Pow(2, 64) < 0.5
		if _, kept := per[fmt.Sprintf("user%d", user)]; kept != keep {
			t.Errorf("user%d was kept: %v, want %v", user, kept, keep)
		}
	}
	for range 20 {
		e := c.Event(t.Context(), daybook.Log, "sent")
		first, _ := c.Send(t.Context(), e)
		for range 3 {
			if again, _ := c.Send(t.Context(), e); again[0].Status != first[0].Status {
				t.Fatalf("an event that is sent again drew another lot: %v, then %v", first, again)
			}
		}
	}
}

// A source is settings that the test changes.
type source struct {
	settings chan daybook.Settings
	changed  chan struct{}
	last     daybook.Settings
}

func (s *source) Settings(context.Context) (daybook.Settings, error) {
	select {
	case s.last = <-s.settings:
	default:
	}
	return s.last, nil
}

func (s *source) Changed() <-chan struct{} { return s.changed }

func (s *source) set(next daybook.Settings) {
	s.settings <- next
	s.changed <- struct{}{}
	synctest.Wait()
}

func newSource() *source {
	return &source{settings: make(chan daybook.Settings, 1), changed: make(chan struct{})}
}

func TestAKillSwitchWorksAtThreePlaces(t *testing.T) {
	for _, purge := range []bool{false, true} {
		t.Run(fmt.Sprint("purge ", purge), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				m, other, src := &memory{answer: down}, &memory{}, newSource()
				cfg := spooled(dir, m)
				cfg.Settings, cfg.Batch.Events = src, 10
				cfg.Sinks["other"] = other
				c := open(t, cfg)
				if err := c.Save(t.Context(), daybook.Event{Name: "stored"}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				record(t, c, "queued")
				before := m.written()
				src.set(daybook.Settings{Kill: daybook.KillSettings{Sinks: []string{"test"}, Purge: purge}})
				m.answers(nil)
				record(t, c, "dropped at once")
				at := map[bool]uint64{false: 1, true: 2}[purge] // with what was stored
				if s := c.Stats().Sinks["test"]; s.Queued != 1 || s.Dropped["killed"] != at {
					t.Errorf("after it was recorded: %+v", s)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if m.written() != before {
					t.Error("something was sent to a sink that is switched off")
				}
				s := balanced(t, c)
				want := map[bool][2]uint64{false: {2, 1}, true: {3, 0}}[purge]
				if got := s.Sinks["test"]; got.Dropped["killed"] != want[0] || got.Spooled != want[1] {
					t.Errorf("%+v, want %d killed and %d spooled", got, want[0], want[1])
				}
				if got := other.names(); len(got) != 3 {
					t.Errorf("the other sink has %v", got)
				}
				if !c.Enabled(t.Context(), "a") {
					t.Error("one sink is on, and nothing is enabled")
				}
				if err := c.Flush(t.Context()); (err == nil) != purge {
					t.Errorf("Flush said %v", err)
				}
				src.set(daybook.Settings{})
				record(t, c, "after")
				if err := c.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				names := []string{"stored", "after"}
				if purge {
					names = names[1:]
				}
				if got := m.names(); !slices.Equal(got, names) {
					t.Errorf("after it is on again it has %v, want %v", got, names)
				}
				_ = c.Close(t.Context())
			})
		})
	}
}

func TestSettingsChangeBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, src := &memory{}, newSource()
		c := open(t, daybook.Config{Sinks: to(m), Settings: src})
		synctest.Wait()
		src.set(daybook.Settings{Batch: daybook.BatchOptions{Events: 2, Age: time.Second}, QueueEvents: 16})
		record(t, c, "a", "b", "c")
		synctest.Wait()
		if len(m.all()) != 2 {
			t.Errorf("batches of two: %v", m.names())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(m.all()) != 3 {
			t.Errorf("after a second: %v", m.names())
		}
		_ = c.Close(t.Context())
	})
}

func TestASettingsFileIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	write := func(text string, age time.Duration) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"sampling":{"a":{"sample_rate":0}}}`, time.Hour)
	synctest.Test(t, func(t *testing.T) {
		c := open(t, daybook.Config{Sinks: to(&memory{}), Settings: daybook.SettingsFile(path)})
		synctest.Wait()
		for _, step := range []struct {
			text    string
			enabled bool
		}{{"", false}, {`{}`, true}, {`{"sampling":{"a":{"sample_rate":0.0}}}`, false}, {`{broken`, false}} {
			if step.text != "" {
				write(step.text, 0)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if c.Enabled(t.Context(), "a") != step.enabled {
				t.Errorf("after %q a is enabled: %v", step.text, !step.enabled)
			}
		}
		_ = c.Close(t.Context())
	})
}

// eventually waits until what is asked for is true; it fails the test when that
// takes more than some seconds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came true that %s", what)
		}
	}
}

func TestTheGatewaysSettingsAreKeptForTheNextRun(t *testing.T) {
	dir := t.TempDir()
	g := daybooktest.Gateway(t)
	g.Serve(daybook.Settings{Sampling: map[string]daybook.SampleRule{"noisy": {Rate: 0}}, Kill: daybook.KillSettings{Sinks: []string{"gateway"}}})
	t.Setenv("DO_NOT_TRACK", "")
	cfg := daybook.Config{Gateway: g.URL, Key: "k", Spool: daybook.SpoolOptions{Dir: dir}, Logger: slog.New(slog.DiscardHandler)}
	c, err := daybook.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the settings are in force", func() bool { return !c.Enabled(t.Context(), "noisy") })
	if auth := g.Requests()[0].Header.Get("Authorization"); auth != "Bearer k" {
		t.Errorf("asked with %q", auth)
	}
	eventually(t, "they are on disk", func() bool { _, err := os.Stat(filepath.Join(dir, "settings.json")); return err == nil })
	_ = c.Close(t.Context())

	cfg.Gateway = "http://127.0.0.1:1" // nobody is there
	c, err = daybook.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if c.Enabled(t.Context(), "noisy") {
		t.Error("without network the last settings are forgotten")
	}
	if info, err := os.Stat(filepath.Join(dir, "settings.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestSettingsMoveTheGatewayOnlyWhereTheyMay(t *testing.T) {
	for _, c := range []struct {
		name  string
		hosts bool
		skip  bool
		moved bool
		key   string
	}{
		{"to a host that is configured, without the key", true, false, true, ""},
		{"not to another", false, false, false, "Bearer k"},
		{"without the key where it is told so", false, true, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			home, away := daybooktest.Gateway(t), daybooktest.Gateway(t)
			src := newSource()
			cfg := daybook.Config{Gateway: home.URL, Key: "k", Settings: src, Sinks: nil}
			if c.hosts {
				cfg.Hosts = []string{away.URL[len("http://"):]}
			}
			src.settings <- daybook.Settings{
				Gateway: daybook.GatewaySettings{BaseURL: away.URL, SkipKey: c.skip}, Sampling: map[string]daybook.SampleRule{"marker": {Rate: 0}},
			}
			client := open(t, cfg)
			eventually(t, "the settings are in force", func() bool { return !client.Enabled(t.Context(), "marker") })
			record(t, client, "a")
			if err := client.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			at := home
			if c.moved {
				at = away
			}
			if n := len(at.Requests()); n != 1 {
				t.Fatalf("%d requests where they should be", n)
			}
			if key := at.Requests()[0].Header.Get("Authorization"); key != c.key {
				t.Errorf("sent with %q, want %q", key, c.key)
			}
		})
	}
}
