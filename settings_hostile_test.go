package daybook_test

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
)

// A told source says when it has changed.
type told struct {
	polled
	changed func() <-chan struct{}
}

func (s *told) Changed() <-chan struct{} { return s.changed() }

func TestASourceThatClosesItsChannelIsAskedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan struct{})
		close(closed)
		s := &told{changed: func() <-chan struct{} { return closed }}
		s.before = func() { time.Sleep(time.Millisecond) } // or an hour would take for ever
		c := open(t, daybook.Config{Sinks: to(&memory{}), Settings: s})
		time.Sleep(time.Minute)
		_ = c.Close(t.Context())
		if asked, _ := s.counts(); asked > 3 {
			t.Errorf("asked %d times in a minute", asked)
		}
	})
}

func TestASourceThatPanicsIsAskedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &told{changed: func() <-chan struct{} { panic("boom") }}
		c := open(t, daybook.Config{Sinks: to(&memory{}), Settings: s})
		time.Sleep(10*time.Minute + time.Second)
		_ = c.Close(t.Context())
		if asked, _ := s.counts(); asked != 11 {
			t.Errorf("asked %d times in ten minutes", asked)
		}
	})
}

func TestAnAddressThatCannotBeRightCostsNoOtherSetting(t *testing.T) {
	for _, base := range []string{"http://user@gateway.invalid", "http://gateway.invalid?x=1", "ftp://gateway.invalid", "http://gateway.invalid/%zz"} {
		t.Run(base, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &polled{settings: daybook.Settings{
					Kill:    daybook.KillSettings{Sinks: []string{"gateway"}},
					Gateway: daybook.GatewaySettings{BaseURL: base},
				}}
				c := open(t, daybook.Config{Gateway: "http://gateway.invalid", Settings: s})
				synctest.Wait()
				if c.Enabled(t.Context(), "a") {
					t.Error("the kill switch has no effect")
				}
			})
		})
	}
}

func TestSettingsMeanTheSameOnceTheyWereWritten(t *testing.T) {
	s := daybook.Settings{Sampling: map[string]daybook.SampleRule{"less": {Rate: -1}, "more": {Rate: 7}, "none": {Rate: 0}}}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var again daybook.Settings
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		kept bool
	}{{"less", true}, {"more", true}, {"none", false}} {
		rule, listed := again.Sampling[c.name]
		if kept := !listed || rule.Rate == 1; kept != c.kept {
			t.Errorf("%s: read as %+v", c.name, again.Sampling)
		}
	}
}

// A shared source goes on using the map that it has given away.
type shared struct {
	mu    sync.Mutex
	rules map[string]daybook.SampleRule
}

func (s *shared) Settings(context.Context) (daybook.Settings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return daybook.Settings{Sampling: s.rules}, nil
}

func TestSettingsAreTheClientsOwnOnceItHasThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shared{rules: map[string]daybook.SampleRule{"a": {Rate: 0}}}
		fixed := maps.Clone(s.rules)
		polls := open(t, daybook.Config{Sinks: to(&memory{}), Settings: s})
		never := open(t, daybook.Config{Sinks: to(&memory{}), Settings: daybook.StaticSettings(daybook.Settings{Sampling: fixed})})
		synctest.Wait()
		s.mu.Lock()
		s.rules["b"] = daybook.SampleRule{Rate: 0}
		fixed["b"] = daybook.SampleRule{Rate: 0}
		s.mu.Unlock()
		if !polls.Enabled(t.Context(), "b") || !never.Enabled(t.Context(), "b") {
			t.Error("a change of the map is a change of the settings in force")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if polls.Enabled(t.Context(), "b") || polls.Enabled(t.Context(), "a") {
			t.Error("what the source says later is not applied")
		}
	})
}
