package serve_test

import (
	"net/http"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/serve"
)

// Credentials that are compiled into a public program must open nothing but the
// route that they are for.
func TestACommandLinesPasswordIsForActivityEventsOnly(t *testing.T) {
	c := loaded(t, "callers:\n  - {name: cli, basic: {user: cli, password_sha256: "+sha(cliPassword)+"}, protocols: [activity]}\n")
	g := startWith(t, c, serve.Options{})
	right, wrong := basicAuth("cli", cliPassword), basicAuth("cli", "another")
	line := aBody["/events/prod"] + "\n"
	for _, s := range []struct {
		path, body, authorization string
		status                    int
	}{
		{"/events/prod", line, right, http.StatusOK},
		{"/local/track", aBody["/local/track"], right, http.StatusOK},
		{"/events/prod", line, wrong, http.StatusUnauthorized},
		{"/events/prod", line, "", http.StatusUnauthorized},
		{"/v1/events", aBody["/v1/events"], right, http.StatusForbidden},
		{"/api/event_logging/batch", aBody["/api/event_logging/batch"], right, http.StatusForbidden},
		{"/v1/cloudevents", `{}`, right, http.StatusForbidden},
	} {
		var headers []string // and no Content-Type
		if s.authorization != "" {
			headers = []string{"Authorization", s.authorization}
		}
		if status, answer := g.do("POST", g.IngestURL()+s.path, s.body, headers...); status != s.status {
			t.Errorf("%s, %q: %d %s, want %d", s.path, s.authorization, status, answer, s.status)
		}
	}
}

func TestTruncatedEventsAreCountedOnce(t *testing.T) {
	g := start(t, serve.Config{})
	large := strings.TrimSuffix(aBody["/events/prod"], "}") + `,"x":"` + strings.Repeat("y", 1<<20) + `"}`
	for range 2 { // the second is a duplicate
		if status, answer := g.do("POST", g.IngestURL()+"/events/prod", large); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	if want := `daybook_events_truncated_total{caller="anonymous",protocol="activity"} 1` + "\n"; !strings.Contains(metrics, want) {
		t.Errorf("the metrics lack %s", want)
	}
}
