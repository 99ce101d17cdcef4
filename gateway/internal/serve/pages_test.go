package serve_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/serve"
)

// aBody is an event for each protocol that a page can send without asking
// anybody first.
var aBody = map[string]string{
	"/v1/events":               `{"event_name":"a"}`,
	"/events/prod":             `{"event_id":"1","event_time":"2026-01-31T12:00:00Z","event_type":"log","event_name":"a"}`,
	"/local/track":             `{"event_id":"2","event_time":"2026-01-31T12:00:00Z","event_type":"log","event_name":"a"}`,
	"/v1/telemetry/events":     `{"events":[{"event_id":"3","event_time":"2026-01-31T12:00:00Z","event_type":"log","event_name":"a"}]}`,
	"/api/event_logging/batch": `{"events":[{"event_type":"a","event_data":{"event_name":"a"}}]}`,

	"/events.v1.EventLoggingService/LogEvent": `{"event_name":"a"}`,
	"/grpc.health.v1.Health/Check":            `{}`,
}

// A gateway on somebody's machine is within reach of every page they look at.
func TestAForeignPageStoresNothingOnAnyRoute(t *testing.T) {
	g := start(t, serve.Config{})
	bodies := maps.Clone(aBody)
	bodies["/a/route/that/comes/later"] = "{}" // it is asked where from before it is asked where to
	for path, body := range bodies {
		for _, kind := range []string{"text/plain;charset=UTF-8", "application/json"} {
			status, answer := g.do("POST", g.IngestURL()+path, body, "Origin", "https://evil.example", "Content-Type", kind)
			if status != http.StatusForbidden || !strings.Contains(answer, "origin_not_allowed") {
				t.Errorf("%s as %s: %d %s", path, kind, status, answer)
			}
		}
	}
	if _, tail := g.do("GET", g.OperationsURL()+"/v1/tail?from=start&follow=false", ""); strings.Contains(tail, "event_name") {
		t.Errorf("stored: %s", tail)
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	if want := `daybook_requests_refused_total{protocol="browser",reason="origin_not_allowed"} 16`; !strings.Contains(metrics, want) {
		t.Errorf("the metrics lack %s", want)
	}
	t.Run("not even when the gateway's name is the page's, by DNS rebinding", func(t *testing.T) {
		port := g.IngestURL()[strings.LastIndex(g.IngestURL(), ":"):]
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.IngestURL()+"/v1/events", strings.NewReader(`{"event_name":"a"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "evil.example" + port
		request.Header.Set("Origin", "http://evil.example"+port)
		response, err := g.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusForbidden {
			t.Errorf("status %d, %v", response.StatusCode, err)
		}
	})
	t.Run("a page of this machine may send", func(t *testing.T) {
		for path, body := range aBody {
			if status, answer := g.do("POST", g.IngestURL()+path, body, "Origin", "http://localhost:3000", "Content-Type", "application/json"); status != http.StatusOK {
				t.Errorf("%s: %d %s", path, status, answer)
			}
		}
	})
}

func TestPagesOfThisMachineAreStrangersToAGatewayThatOthersReach(t *testing.T) {
	g := start(t, serve.Config{Ingest: serve.Ingest{Listen: ":0"}, AllowAnonymous: true})
	status, answer := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"a"}`, "Origin", "http://localhost:3000")
	if status != http.StatusForbidden {
		t.Errorf("%d %s", status, answer)
	}
}

func TestAConfiguredOriginMaySend(t *testing.T) {
	g := start(t, serve.Config{Ingest: serve.Ingest{CORS: serve.CORS{Origins: "https://app.example.com"}}})
	status, answer := g.do("POST", g.IngestURL()+"/v1/telemetry/events", aBody["/v1/telemetry/events"],
		"Origin", "https://app.example.com", "Content-Type", "text/plain;charset=UTF-8")
	if status != http.StatusOK {
		t.Errorf("%d %s", status, answer)
	}
}

func TestAnOriginIsWrittenAsBrowsersWriteIt(t *testing.T) {
	for text, problem := range map[string]string{
		`"https://app.example.com"`:                            "",
		`["https://app.example.com", "http://localhost:3000"]`: "",
		`"*"`:                              "",
		`"null"`:                           "",
		`"https://app.example.com/"`:       "write https://app.example.com",
		`"https://APP.example.com"`:        "write https://app.example.com",
		`"https://app.example.com:443"`:    "write https://app.example.com",
		`"http://app.example.com:80/path"`: "write http://app.example.com",
		`"app.example.com"`:                "is not an origin such as https://app.example.com",
		`"ftp://app.example.com"`:          "is not an origin",
		`"https://*.example.com"`:          "is not an origin",
	} {
		_, _, err := load("ingest:\n  cors:\n    origins: "+text+"\n", nil, nil)
		if (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %v, want %q", text, err, problem)
		}
	}
}

func TestAnOriginIsAllowedWithoutARestart(t *testing.T) {
	f := &fileOf{}
	g := startFrom(t, f, nil)
	for _, step := range []struct {
		text   string
		status int
	}{
		{"", http.StatusForbidden},
		{`ingest: {cors: {origins: ["https://app.example.com"]}}`, http.StatusOK},
		{`ingest: {cors: {origins: ["https://other.example.com"]}}`, http.StatusForbidden},
	} {
		f.set(step.text)
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		if status, answer := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"a"}`, "Origin", "https://app.example.com"); status != step.status {
			t.Errorf("%s: %d %s, want %d", step.text, status, answer, step.status)
		}
	}
}
