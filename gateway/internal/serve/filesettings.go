package serve

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// settingsKey is the key below which stands what clients fetch.
const settingsKey = "settings"

// readSettings keeps the settings for clients as the JSON they are served as.
// docs/settings.md says what they mean.
func (r *fileReader) readSettings(node ast.Node) {
	var settings map[string]any
	if err := yaml.NodeToValue(node, &settings); err != nil {
		r.problem(node, "%s: must hold sampling, kill or batch", settingsKey)
		return
	}
	for name, value := range settings {
		if err := checkSetting(name, value); err != nil {
			r.problem(node, "%s.%s: %w", settingsKey, name, err)
			return
		}
	}
	text, err := json.Marshal(settings) // sorted: the same settings are the same bytes
	if err != nil {
		r.problem(node, "%s: %w", settingsKey, err)
		return
	}
	r.settings = text
}

// checkSetting refuses what clients would pass over in silence.
func checkSetting(name string, value any) error {
	switch name {
	case "sampling":
		rules, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("must hold a rule for each event name, such as page-view: {sample_rate: 0.1}")
		}
		for event, rule := range rules {
			if err := checkSampling(rule); err != nil {
				return fmt.Errorf("%s: %w", event, err)
			}
		}
	case "kill":
		return checkKill(value)
	case "batch":
		return only(value, "events", "bytes", "age_millis", "queue_events", "attempts",
			"maxExportBatchSize", "scheduledDelayMillis", "maxQueueSize", "maxAttempts", "baseUrl", "path", "skipAuth")
	default:
		return fmt.Errorf("is not one of: sampling, kill, batch")
	}
	return nil
}

func checkSampling(rule any) error {
	if err := only(rule, "sample_rate", "by"); err != nil {
		return err
	}
	var rate float64
	switch n := rule.(map[string]any)["sample_rate"].(type) {
	case float64:
		rate = n
	case uint64:
		rate = float64(n)
	default:
		return fmt.Errorf("sample_rate must be a number from 0 to 1")
	}
	if !(rate >= 0 && rate <= 1) {
		return fmt.Errorf("sample_rate must be from 0 to 1")
	}
	return nil
}

// checkKill takes a list of sinks, or an object with it.
func checkKill(value any) error {
	if _, list := value.([]any); list {
		return nil
	}
	return only(value, "sinks", "purge")
}

// only refuses an object with other members.
func only(value any, members ...string) error {
	object, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("must hold keys such as %s", members[0])
	}
	for name := range object {
		if !slices.Contains(members, name) {
			return fmt.Errorf("%s: unknown key", name)
		}
	}
	return nil
}
