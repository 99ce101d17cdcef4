package openfeature_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	of "github.com/open-feature/go-sdk/openfeature"

	"daybook.dev"
	"daybook.dev/bridge/openfeature"
)

// A provider is a feature flag service in memory that says when it changes.
type provider struct {
	of.NoopProvider
	events chan of.Event

	mu    sync.Mutex // guards value
	value any
}

func (p *provider) ObjectEvaluation(_ context.Context, flag string, fallback any, _ of.FlattenedContext) of.InterfaceResolutionDetail {
	p.mu.Lock()
	defer p.mu.Unlock()
	if flag != "daybook-settings" || p.value == nil {
		return of.InterfaceResolutionDetail{Value: fallback, ProviderResolutionDetail: of.ProviderResolutionDetail{
			ResolutionError: of.NewFlagNotFoundResolutionError(flag),
		}}
	}
	return of.InterfaceResolutionDetail{Value: p.value}
}

func (p *provider) EventChannel() <-chan of.Event { return p.events }

func (p *provider) set(value any) {
	p.mu.Lock()
	p.value = value
	p.mu.Unlock()
	p.events <- of.Event{EventType: of.ProviderConfigChange}
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came true that %s", what)
		}
	}
}

func TestAFlagSetsSamplingAndIsFollowed(t *testing.T) {
	p := &provider{events: make(chan of.Event), value: map[string]any{"sampling": map[string]any{"noisy": map[string]any{"sample_rate": 0}}}}
	if err := of.SetNamedProviderAndWait("daybook-test", p); err != nil {
		t.Fatal(err)
	}
	source := openfeature.Settings(of.NewClient("daybook-test"), "daybook-settings")
	defer source.Close()
	book, err := daybook.Open(daybook.Config{
		Sinks: map[string]daybook.Sink{"none": daybook.Discard}, Settings: source, IgnoreDoNotTrack: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close(context.Background())
	enabled := func() bool { return book.Enabled(t.Context(), "noisy") }
	eventually(t, "the flag is in force", func() bool { return !enabled() })
	p.set(map[string]any{})
	eventually(t, "the flag's change is in force", enabled)
	p.set("no object")
	if _, err := source.Settings(t.Context()); daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("a flag that is no settings gives %v", err)
	}
}

func TestAFlagThatNobodyKnowsIsAnError(t *testing.T) {
	if err := of.SetNamedProviderAndWait("daybook-empty", &provider{events: make(chan of.Event)}); err != nil {
		t.Fatal(err)
	}
	source := openfeature.Settings(of.NewClient("daybook-empty"), "unknown")
	defer source.Close()
	if _, err := source.Settings(t.Context()); daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("got %v", err)
	}
}
