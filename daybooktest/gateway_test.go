package daybooktest_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/daybooktest"
)

func TestEveryFaultIsSurvived(t *testing.T) {
	for name, fault := range map[string]daybooktest.Fault{
		"no fault":               daybooktest.OK(),
		"an error of the server": daybooktest.Answer(500),
		"overload":               daybooktest.TryAfter(0),
		"no answer":              daybooktest.HangUp(),
		"a lost answer":          daybooktest.LoseReply(),
		"a hotel's network":      daybooktest.Garbage(),
	} {
		t.Run(name, func(t *testing.T) {
			g := daybooktest.Gateway(t, fault)
			c, err := daybook.Open(daybook.Config{
				Gateway: g.URL, IgnoreDoNotTrack: true, Settings: daybook.StaticSettings(daybook.Settings{}),
				Retry: daybook.RetryOptions{Min: time.Millisecond, Max: time.Millisecond}, Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			c.Record(t.Context(), daybook.Log, "a", slog.Int("n", 1))
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
			events := g.Events()
			if len(events) != 1 || events[0].Name != "a" || string(events[0].Metadata) != `{"n":1}` {
				t.Errorf("it has %+v", events)
			}
			if s := c.Stats(); s.Delivered != 1 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestAGatewayThatHangsIsLeftInTime(t *testing.T) {
	g := daybooktest.Gateway(t, daybooktest.Hang())
	c, err := daybook.Open(daybook.Config{
		Gateway: g.URL, IgnoreDoNotTrack: true, Settings: daybook.StaticSettings(daybook.Settings{}),
		CloseWithin: 50 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Record(t.Context(), daybook.Log, "a")
	start := time.Now()
	err = c.Close(context.Background())
	if left, ok := errors.AsType[*daybook.UndeliveredError](err); !ok || left.Lost != 1 || time.Since(start) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
}
