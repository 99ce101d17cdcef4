package daybook_test

import (
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/daybooktest"
)

func whole() map[string]any {
	return map[string]any{
		"event_id": "1", "event_time": "2026-01-02T03:04:05.6+01:00", "event_type": "behavioral", "event_name": "click",
		"user_id": "ann", "n": 1, "nested": map[string]any{"a": []any{1.5, nil}},
	}
}

func TestRawEventsAreProxiedAsTheyAre(t *testing.T) {
	rec := daybooktest.New(t)
	raw, before := whole(), whole()
	if err := rec.With(slog.Int("mine", 1)).RecordRaw(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(raw, before) {
		t.Errorf("the map was changed to %v", raw)
	}
	e := rec.Require("click")
	if e.ID != "1" || e.Type != "behavioral" || e.Actor != "ann" || !e.Time.Equal(time.Date(2026, 1, 2, 2, 4, 5, 600_000_000, time.UTC)) {
		t.Errorf("event %+v", e)
	}
	if got, want := string(e.Metadata), `{"n":1,"nested":{"a":[1.5,null]},"user_id":"ann"}`; got != want {
		t.Errorf("metadata %s\nwant     %s", got, want)
	}
	if err := rec.RecordJSON(t.Context(), []byte(`{"z":12345678901234567890.10,"event_name":"json","event_id":"2","a":"<&>","event_type":"log","event_time":"2026-01-02T03:04:05Z","z":1e400,"actor_id":"bob","user_id":"ann"}`)); err != nil {
		t.Fatal(err)
	}
	e = rec.Require("json")
	if got, want := string(e.Metadata), `{"z":1e400,"a":"<&>","actor_id":"bob","user_id":"ann"}`; got != want || e.Actor != "bob" {
		t.Errorf("metadata %s\nwant     %s; actor %s", got, want, e.Actor)
	}
}

func TestARawEventThatIsNotWholeIsRefused(t *testing.T) {
	rec := daybooktest.New(t)
	for _, member := range []string{"event_id", "event_time", "event_type", "event_name"} {
		for _, wrong := range []any{nil, "", " ", 7} {
			raw := whole()
			raw[member] = wrong
			if wrong == nil {
				delete(raw, member)
			}
			e, ok := errors.AsType[*daybook.Error](rec.RecordRaw(t.Context(), raw))
			if !ok || e.Field != member || e.Code != daybook.Invalid {
				t.Errorf("%s = %v: got %v", member, wrong, e)
			}
		}
	}
	bad := whole()
	bad["event_time"] = "yesterday"
	endless := whole()
	endless["f"] = func() {}
	for reason, raw := range map[string]map[string]any{"empty_event": {}, "invalid_time": bad, "invalid_json": endless} {
		if e, ok := errors.AsType[*daybook.Error](rec.RecordRaw(t.Context(), raw)); !ok || e.Reason != reason {
			t.Errorf("%s: got %v", reason, e)
		}
	}
	for _, text := range []string{"", "null", "7", "[]", "{", `{"a":1}}`, `{"a":1} x`, `{"a":}`, `{a:1}`} {
		if e, ok := errors.AsType[*daybook.Error](rec.RecordJSON(t.Context(), []byte(text))); !ok || e.Code != daybook.Invalid {
			t.Errorf("%s: got %v", text, e)
		}
	}
	if n := len(rec.Events()); n != 0 {
		t.Errorf("%d events were recorded", n)
	}
	if s := rec.Stats(); s.Dropped["invalid"] != s.Recorded {
		t.Errorf("stats %+v", s)
	}
}

func TestLegacyEventsHaveTheOldShape(t *testing.T) {
	rec := daybooktest.New(t)
	c := rec.WithInstallID("i").WithUserID("u").WithServiceVersion("1.2", "abc")
	l := daybook.Legacy{AppName: "rill", Mode: "edit", Medium: "cli", Space: "terminal", ScreenName: "main", OlapConnector: "duckdb", Connectors: []string{"s3"}}
	if err := c.RecordLegacy(t.Context(), l, "deploy-start", slog.Int("n", 1), slog.String("action", "overridden")); err != nil {
		t.Fatal(err)
	}
	e := rec.Require("deploy-start",
		slog.String("install_id", "i"), slog.String("user_id", "u"), slog.String("build_id", "abc"), slog.String("version", "1.2"),
		slog.String("app_name", "rill"), slog.String("mode", "edit"), slog.String("action", "deploy-start"), slog.String("medium", "cli"),
		slog.String("space", "terminal"), slog.String("screen_name", "main"), slog.Int("n", 1),
		slog.Group("payload", "olap_connector", "duckdb", "connectors", []string{"s3"}))
	rec.Require("deploy-start", slog.Int64("event_datetime", e.Time.UnixMilli()))
	if e.Type != daybook.Behavioral || e.Actor != "u" {
		t.Errorf("event %+v", e)
	}
	rec.Reset()
	if err := rec.WithInstallID("i").WithUserID("u").RecordLegacy(t.Context(), l, "deploy-start"); err == nil {
		t.Error("without service_commit it was recorded")
	}
	rec.RequireNone("deploy-start")
}

func TestExposuresHaveTheirShape(t *testing.T) {
	rec := daybooktest.New(t)
	rec.RecordExposure(t.Context(), daybook.Exposure{Experiment: "checkout", Variation: 1})
	e := rec.Events()[0]
	if e.Type != "GrowthbookExperimentEvent" || e.Name != "growthbook_experiment" ||
		string(e.Metadata) != `{"experiment_id":"checkout","variation_id":1,"environment":"production"}` {
		t.Errorf("event %+v %s", e, e.Metadata)
	}
	rec.Reset()
	rec.RecordExposure(t.Context(), daybook.Exposure{
		Experiment: "checkout", DeviceID: "d", AccountID: "a", OrganizationID: "o", SessionID: "s", Environment: "staging",
		UserAttributes: []slog.Attr{slog.String("plan", "pro")}, Metadata: []slog.Attr{slog.Int("seed", 7)},
	})
	rec.Require("growthbook_experiment", slog.Int("variation_id", 0), slog.String("environment", "staging"), slog.String("device_id", "d"),
		slog.String("account_uuid", "a"), slog.String("organization_uuid", "o"), slog.String("session_id", "s"),
		slog.String("user_attributes", `{"plan":"pro"}`), slog.String("experiment_metadata", `{"seed":7}`))
}
