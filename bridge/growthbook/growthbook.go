// Package growthbook takes the client's settings from a GrowthBook feature, and
// records who was shown which variation of an experiment.
//
//	flags, err := gb.NewClient(ctx, gb.WithExperimentCallback(growthbook.Exposures(book, growthbook.Who{})), …)
//
// Where both are wanted the settings need a GrowthBook client and the exposures a
// Daybook client: open GrowthBook first without the callback, and add it with
// WithExperimentCallback once the book is open.
package growthbook

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	gb "github.com/growthbook/growthbook-golang"

	"daybook.dev"
)

// Settings returns the source that evaluates a feature whose value is an object
// as docs/settings.md says. GrowthBook does not say when features change, so the
// client asks now and then. A feature that is not there, or not loaded yet,
// leaves the settings in force.
func Settings(client *gb.Client, feature string) daybook.SettingsSource {
	return &source{client: client, feature: feature}
}

// source is asked by one goroutine at a time.
type source struct {
	client  *gb.Client
	feature string
	last    daybook.Settings
}

// Settings implements [daybook.SettingsSource].
func (s *source) Settings(ctx context.Context) (settings daybook.Settings, err error) {
	result := s.client.EvalFeature(ctx, s.feature)
	if result == nil || result.Source == gb.UnknownFeatureResultSource {
		return s.last, nil
	}
	text, err := json.Marshal(result.Value)
	if err == nil {
		err = json.Unmarshal(text, &settings)
	}
	if err != nil {
		return daybook.Settings{}, &daybook.Error{
			Code: daybook.Unavailable, Where: "growthbook", Reason: "no_settings", Message: "the feature is no settings", Err: err,
		}
	}
	s.last = settings
	return settings, nil
}

// Who names the attributes of GrowthBook that say who somebody is. Empty names are
// the ones in the comments.
type Who struct {
	Device       string // deviceId
	Account      string // accountId
	Organization string // organizationId
	Session      string // sessionId
}

func (w Who) orDefault() Who {
	set := func(name *string, usual string) {
		if *name == "" {
			*name = usual
		}
	}
	set(&w.Device, "deviceId")
	set(&w.Account, "accountId")
	set(&w.Organization, "organizationId")
	set(&w.Session, "sessionId")
	return w
}

// Exposures returns a callback for gb.WithExperimentCallback that records each
// exposure with book.
func Exposures(book *daybook.Client, who Who) gb.ExperimentCallback {
	who = who.orDefault()
	return func(ctx context.Context, e *gb.Experiment, r *gb.ExperimentResult, user *gb.TrackingUserContext, _ any) {
		if e == nil || r == nil || !r.InExperiment {
			return
		}
		x := daybook.Exposure{Experiment: e.Key, Variation: r.VariationId}
		if user != nil {
			x.DeviceID = text(user.Attributes[who.Device])
			x.AccountID = text(user.Attributes[who.Account])
			x.OrganizationID = text(user.Attributes[who.Organization])
			x.SessionID = text(user.Attributes[who.Session])
			for _, key := range slices.Sorted(maps.Keys(user.Attributes)) {
				x.UserAttributes = append(x.UserAttributes, slog.Any(key, user.Attributes[key]))
			}
		}
		book.RecordExposure(ctx, x)
	}
}

// text returns an id, which may be a number, as a text.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}
