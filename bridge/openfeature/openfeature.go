// Package openfeature takes the client's settings from a feature flag, through
// whatever provider the application has given to OpenFeature.
//
//	source := openfeature.Settings(client, "daybook-settings")
//	defer source.Close()
//	book, err := daybook.Open(daybook.Config{Gateway: url, Settings: source})
//
// The flag is an object, written as docs/settings.md says.
package openfeature

import (
	"context"
	"encoding/json"

	of "github.com/open-feature/go-sdk/openfeature"

	"daybook.dev"
)

// A Source is a flag as a source of settings. It is safe for concurrent use.
type Source struct {
	client  *of.Client
	flag    string
	changed chan struct{}
	handler of.EventCallback
}

// Settings returns the source that evaluates flag with client, without a user's
// context: settings are for all. It is asked again when the provider is ready and
// when its configuration has changed. Close ends that.
func Settings(client *of.Client, flag string) *Source {
	s := &Source{client: client, flag: flag, changed: make(chan struct{}, 1)}
	// Handlers run in goroutines of their own and in any order, so one only says
	// that something has changed; what, is asked for afterwards.
	said := func(of.EventDetails) {
		select {
		case s.changed <- struct{}{}:
		default: // it has been said already
		}
	}
	s.handler = &said
	client.AddHandler(of.ProviderReady, s.handler)
	client.AddHandler(of.ProviderConfigChange, s.handler)
	return s
}

var _ daybook.SettingsSource = (*Source)(nil)

// Settings evaluates the flag. The error is for a provider that is not ready or
// does not know the flag, and for a value that is no settings: then those before
// stay in force.
func (s *Source) Settings(ctx context.Context) (settings daybook.Settings, err error) {
	value, err := s.client.ObjectValue(ctx, s.flag, nil, of.EvaluationContext{})
	if err != nil {
		return daybook.Settings{}, unavailable("the flag cannot be evaluated", err)
	}
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &settings)
	}
	if err != nil {
		return daybook.Settings{}, unavailable("the flag is no settings", err)
	}
	return settings, nil
}

func unavailable(message string, err error) error {
	return &daybook.Error{Code: daybook.Unavailable, Where: "openfeature", Reason: "no_settings", Message: message, Err: err}
}

// Changed says that the settings may have changed.
func (s *Source) Changed() <-chan struct{} { return s.changed }

// Close stops listening to the provider.
func (s *Source) Close() {
	s.client.RemoveHandler(of.ProviderReady, s.handler)
	s.client.RemoveHandler(of.ProviderConfigChange, s.handler)
}
