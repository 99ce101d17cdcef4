package growthbook_test

import (
	"log/slog"
	"testing"

	gb "github.com/growthbook/growthbook-golang"

	"daybook.dev"
	"daybook.dev/bridge/growthbook"
	"daybook.dev/daybooktest"
)

func TestAFeatureIsTheSettings(t *testing.T) {
	client, err := gb.NewClient(t.Context(), gb.WithJsonFeatures(
		`{"daybook":{"defaultValue":{"sampling":{"noisy":{"sample_rate":0.25}},"kill":["kafka"]}},"text":{"defaultValue":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := growthbook.Settings(client, "daybook").Settings(t.Context())
	if err != nil || got.Sampling["noisy"].Rate != 0.25 || len(got.Kill.Sinks) != 1 {
		t.Errorf("%v: settings %+v", err, got)
	}
	if got, err := growthbook.Settings(client, "unknown").Settings(t.Context()); err != nil || got.Sampling != nil {
		t.Errorf("a feature that is not there gives %+v, %v", got, err)
	}
	if _, err := growthbook.Settings(client, "text").Settings(t.Context()); daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("a feature that is no settings gives %v", err)
	}
}

func TestExposuresAreRecorded(t *testing.T) {
	rec := daybooktest.New(t)
	client, err := gb.NewClient(t.Context(),
		gb.WithAttributes(gb.Attributes{"id": "u1", "deviceId": "d1", "accountId": 7, "plan": "pro"}),
		gb.WithExperimentCallback(growthbook.Exposures(rec.Client, growthbook.Who{})))
	if err != nil {
		t.Fatal(err)
	}
	result := client.RunExperiment(t.Context(), &gb.Experiment{Key: "new-checkout", Variations: []gb.FeatureValue{"old", "new"}})
	if !result.InExperiment {
		t.Fatalf("not in the experiment: %+v", result)
	}
	rec.Require("growthbook_experiment", slog.String("experiment_id", "new-checkout"), slog.Int("variation_id", result.VariationId),
		slog.String("device_id", "d1"), slog.String("account_uuid", "7"),
		slog.String("user_attributes", `{"accountId":7,"deviceId":"d1","id":"u1","plan":"pro"}`))
}
