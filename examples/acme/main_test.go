package main

import (
	"strings"
	"testing"

	"daybook.dev/daybooktest"
)

func acme(t *testing.T, args ...string) string {
	t.Helper()
	var out strings.Builder
	if status := run(t.Context(), args, &out); status != 0 {
		t.Fatalf("acme %v exits with %d: %s", args, status, out.String())
	}
	return out.String()
}

func TestWhatIsDoneOfflineArrivesOnceTheProgramIsOnline(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("DO_NOT_TRACK", "")
	t.Setenv("DAYBOOK_GATEWAY", "http://127.0.0.1:1") // nobody is there

	if got := acme(t, "deploy", "shop"); got != "deployed shop\n" {
		t.Errorf("it says %q", got)
	}
	acme(t, "deploy", "production")
	if got := acme(t, "telemetry"); !strings.Contains(got, "wait to be sent: 4") {
		t.Errorf("it says %q", got)
	}

	g := daybooktest.Gateway(t)
	t.Setenv("DAYBOOK_GATEWAY", g.URL)
	acme(t, "deploy", "shop")
	var names []string
	for _, e := range g.Events() {
		names = append(names, e.Name)
		if strings.Contains(string(e.Metadata), "shop") {
			t.Errorf("the name of a service has left: %s", e.Metadata)
		}
	}
	if got := strings.Join(names, " "); got != "deploy-start deploy-success deploy-start deploy-success deploy-start deploy-success" {
		t.Errorf("the gateway has %s", got)
	}
	if got := acme(t, "telemetry"); !strings.Contains(got, "wait to be sent: 0") {
		t.Errorf("it says %q", got)
	}
}

func TestWhoOptedOutIsToldSo(t *testing.T) {
	t.Setenv("DO_NOT_TRACK", "1")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	if got := acme(t, "telemetry"); got != "nothing is recorded: DO_NOT_TRACK=1\n" {
		t.Errorf("it says %q", got)
	}
	acme(t, "deploy", "shop")
}

func TestWrongUseIsSaid(t *testing.T) {
	t.Setenv("DO_NOT_TRACK", "1")
	var out strings.Builder
	if status := run(t.Context(), []string{"fly"}, &out); status != 2 || !strings.HasPrefix(out.String(), "usage:") {
		t.Errorf("%d: %s", status, out.String())
	}
}
