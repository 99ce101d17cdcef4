package daybook

import (
	"cmp"
	"context"
	"log/slog"

	"daybook.dev/internal/attrs"
)

// An Exposure says that somebody was shown a variation of an experiment.
type Exposure struct {
	Experiment string // its id
	Variation  int    // which of its variations, from 0

	// Who was shown it. Each is left out when empty.
	DeviceID, AccountID, OrganizationID string

	// SessionID and UserAttributes, by which the variation was chosen, are
	// recorded together, and only when there are UserAttributes.
	SessionID      string
	UserAttributes []slog.Attr

	Metadata    []slog.Attr // of the experiment; left out when empty
	Environment string      // "" means "production"
}

// The names under which analysis has always found exposures.
const (
	exposureType Type   = "GrowthbookExperimentEvent"
	exposureName string = "growthbook_experiment"
)

// RecordExposure records an exposure to an experiment. It is never sampled:
// whoever weighs an experiment must see all of it.
func (c *Client) RecordExposure(ctx context.Context, x Exposure) {
	made := []slog.Attr{
		slog.String("experiment_id", x.Experiment),
		slog.Int("variation_id", x.Variation),
		slog.String("environment", cmp.Or(x.Environment, "production")),
	}
	add := func(key, value string) {
		if value != "" {
			made = append(made, slog.String(key, value))
		}
	}
	add("device_id", x.DeviceID)
	add("account_uuid", x.AccountID)
	add("organization_uuid", x.OrganizationID)
	if len(x.UserAttributes) > 0 {
		add("session_id", x.SessionID)
		add("user_attributes", objectText(x.UserAttributes))
	}
	if len(x.Metadata) > 0 {
		add("experiment_metadata", objectText(x.Metadata))
	}
	c.record(ctx, entry{typ: exposureType, name: exposureName, all: true}, made)
}

// objectText returns attributes as the text of a JSON object.
func objectText(list []slog.Attr) string {
	var o attrs.Object
	o.Add(list)
	return string(o.AppendTo(nil))
}
