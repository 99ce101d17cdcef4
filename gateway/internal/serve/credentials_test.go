package serve_test

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/serve"
)

// proofs is what a request can show, and what comes of it where callers are
// known: its status, and who it is or why it is refused.
var proofs = map[string]struct {
	shown  string // Authorization; "-" = no header
	status int
	says   string
}{
	"a key":                       {"Bearer " + checkoutKey, 200, "checkout"},
	"a password":                  {basicAuth("cli", cliPassword), 200, "cli"},
	"a key as Segment's SDKs do":  {basicAuth(checkoutKey, ""), 200, "checkout"},
	"nothing":                     {"-", 401, "missing_credentials"},
	"an empty header":             {"", 401, "malformed_credentials"},
	"another scheme":              {"Digest " + checkoutKey, 401, "malformed_credentials"},
	"a wrong key":                 {"Bearer " + wrongKey, 401, "unknown_credentials"},
	"a wrong password":            {basicAuth("cli", "canary-guess"), 401, "unknown_credentials"},
	"a key for another protocol":  {"Bearer " + searchKey, 403, "protocol_not_allowed"},
	"a token that is not signed":  {"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJjaGVja291dCJ9.", 401, "unknown_credentials"},
	"another caller's name":       {basicAuth("search", checkoutKey), 401, "unknown_credentials"},
	"a key in two headers' worth": {"Bearer " + checkoutKey + ", Bearer " + checkoutKey, 401, "malformed_credentials"},
}

// loaded is the configuration in a text, for a gateway on ports and a directory
// of its own.
func loaded(t *testing.T, text string) serve.Config {
	t.Helper()
	c, _, err := load(text, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Ingest.Listen, c.Operations.Listen, c.Data = "", "", "" // as onFreePorts has them
	return c
}

func headersFor(shown string) []string {
	headers := []string{
		"Content-Type", "application/json", "X-Goog-Authenticated-User-Email", "accounts.google.com:admin@example.com",
		"X-Forwarded-For", "127.0.0.1", "X-Forwarded-User", "checkout",
	}
	if shown == "-" {
		return headers
	}
	return append(headers, "Authorization", shown)
}

// TestR27 sends every proof to every protocol of JSON that one address answers.
func TestR27TheVerdictOnAProofIsTheSameOnEveryProtocol(t *testing.T) {
	c := loaded(t, knownCallers)
	var log bytes.Buffer
	text := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g := startWith(t, c, serve.Options{Log: text, Events: text})
	answers := ""
	for protocol, route := range map[string]struct{ method, path, body string }{
		"http":     {"POST", "/v1/events", `{"event_name":"hello"}`},
		"logevent": {"POST", "/events.v1.EventLoggingService/LogEvent", `{"event_name":"hello"}`},
		"settings": {"GET", "/v1/settings", ""},
	} {
		for name, p := range proofs {
			status, body := g.do(route.method, g.IngestURL()+route.path, route.body, headersFor(p.shown)...)
			answers += body
			want := p.status
			if protocol == "settings" && want != 401 {
				want = 404 // it is let in, and there are none
			}
			if status != want {
				t.Errorf("%s, %s: %d %s, want %d", protocol, name, status, body, want)
			}
			if protocol != "logevent" && want == 401 && !strings.Contains(body, `"reason":"`+p.says+`"`) {
				t.Errorf("%s, %s: %s, want %s", protocol, name, body, p.says)
			}
		}
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	for _, line := range []string{
		`daybook_auth_refusals_total{protocol="http",reason="missing_credentials"} 1`,
		`daybook_auth_refusals_total{protocol="http",reason="protocol_not_allowed"} 1`,
		`daybook_auth_refusals_total{protocol="logevent",reason="unknown_credentials"} 4`,
		`daybook_events_total{caller="checkout",protocol="http",reason="",status="stored"} 2`,
		`daybook_events_total{caller="cli",protocol="logevent",reason="",status="stored"} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	g.stop()
	<-g.stopped
	requireNoCanary(t, map[string]string{"answers": answers, "metrics": metrics, "log": log.String()})
	if !strings.Contains(log.String(), "reason=missing_credentials remote=127.0.0.1 times=1") {
		t.Errorf("nothing in the log says who was refused:\n%s", &log)
	}
}

// TestR30 shows every credential at every door, at the level that logs most, and
// looks for them wherever the gateway says something.
func TestR30NothingOfACredentialIsSeenAgain(t *testing.T) {
	c := loaded(t, knownCallers)
	c.Operations.Token, c.Operations.ReadToken = "canary-admin", "canary-reader"
	var log bytes.Buffer
	text := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g := startWith(t, c, serve.Options{Log: text, Events: text})
	said := map[string]string{}
	for _, p := range proofs {
		for _, at := range []struct{ method, url, body string }{
			{"POST", g.IngestURL() + "/v1/events", `{"event_name":"hello"}`},
			{"POST", g.IngestURL() + "/events.v1.EventLoggingService/LogEvent", `{"event_name":"hello"}`},
			{"GET", g.IngestURL() + "/v1/settings", ""},
			{"GET", g.OperationsURL() + "/metrics", ""},
			{"POST", g.OperationsURL() + "/v1/deadletters/drop", "{}"},
		} {
			_, body := g.do(at.method, at.url, at.body, headersFor(p.shown)...)
			said["answers"] += body
		}
	}
	for what, path := range map[string]string{"metrics": "/metrics", "rows": "/v1/tail?from=start&follow=false", "account": "/v1/ledger"} {
		_, said[what] = g.do("GET", g.OperationsURL()+path, "", "Authorization", "Bearer canary-reader")
	}
	var printed strings.Builder
	if err := g.Config().WriteYAML(&printed, nil); err != nil {
		t.Fatal(err)
	}
	said["printed configuration"] = printed.String()
	for _, found := range serve.Check(t.Context(), g.Config(), nil, "") {
		said["check"] += found.Detail
	}
	g.stop()
	<-g.stopped
	said["log"] = log.String()
	requireNoCanary(t, said)
	if !strings.Contains(said["rows"], `"caller":"checkout"`) || !strings.Contains(said["log"], "unknown_credentials") {
		t.Error("the gateway was not asked what this test is about")
	}
}

// requireNoCanary is R30 for credentials: nothing that was shown, nor its base64,
// is seen again.
func requireNoCanary(t *testing.T, texts map[string]string) {
	t.Helper()
	for where, text := range texts {
		for _, secret := range []string{"canary", basicAuth("cli", "canary-guess")[6:], basicAuth("cli", cliPassword)[6:], sha(cliPassword), "eyJzdWIi"} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("R30: the %s have a credential: …%s…", where, text[max(0, i-40):min(len(text), i+40)])
			}
		}
	}
}

// TestR27 shows every credential where it does not belong.
func TestR27CallersDoNotReadAndOperatorsDoNotSend(t *testing.T) {
	for _, listen := range []serve.Address{"127.0.0.1:0", serve.OnIngest} {
		c := loaded(t, knownCallers)
		c.Operations = serve.Operations{Listen: listen, Token: "canary-admin", ReadToken: "canary-reader"}
		var log bytes.Buffer
		g := startWith(t, c, serve.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		for _, path := range []string{"/metrics", "/version", "/v1/tail?follow=false&from=start", "/v1/events?id=1", "/v1/ledger", "/v1/deadletters", "/debug/pprof/", "/admin"} {
			for name, p := range proofs {
				if status, body := g.do("GET", g.OperationsURL()+path, "", headersFor(p.shown)...); status != 401 {
					t.Errorf("operations.listen %s: %s opens %s: %d %s", listen, name, path, status, body)
				}
			}
			if listen == serve.OnIngest {
				if status, _ := g.do("GET", g.IngestURL()+path, "", headersFor("Bearer canary-admin")...); status == 200 {
					t.Errorf("%s is on the ingest port", path)
				}
			}
		}
		for _, token := range []string{"canary-admin", "canary-reader"} {
			if status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"hello"}`, headersFor("Bearer "+token)...); status != 401 {
				t.Errorf("operations.listen %s: %s sends events: %d %s", listen, token, status, body)
			}
			if status, body := g.do("GET", g.OperationsURL()+"/v1/ledger", "", headersFor("Bearer "+token)...); status != 200 {
				t.Errorf("operations.listen %s: %s does not read: %d %s", listen, token, status, body)
			}
		}
		if status, body := g.do("POST", g.OperationsURL()+"/v1/deadletters/drop", "{}", headersFor("Bearer canary-reader")...); status != 403 {
			t.Errorf("a reader drops dead letters: %d %s", status, body)
		}
		_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "", "Authorization", "Bearer canary-reader")
		for _, line := range []string{
			`daybook_auth_refusals_total{protocol="operations",reason="missing_credentials"} `,
			`daybook_auth_refusals_total{protocol="operations",reason="unknown_credentials"} `,
			`daybook_auth_refusals_total{protocol="operations",reason="read_only_token"} 1`,
		} {
			if !strings.Contains(metrics, line) {
				t.Errorf("the metrics lack %s", line)
			}
		}
		g.stop()
		<-g.stopped
		requireNoCanary(t, map[string]string{"metrics": metrics, "log": log.String()})
	}
}

// TestR27 over a real connection: what the handshake has verified proves a caller,
// and what a client writes into a header does not.
func TestR27AClientCertificateProvesItsCallerOverTLS(t *testing.T) {
	a, clients, f := newAuthority(t), newAuthority(t), newPEMFiles(t)
	f.write(a.issue(1, inAnHour(), ""))
	f.ClientCA = filepath.Join(t.TempDir(), "clients.crt")
	f.writePEM(f.ClientCA, "CERTIFICATE", clients.cert.Raw)
	c := loaded(t, knownCallers+"  - {name: mesh, mtls: {uri: spiffe://test/mesh}}\n")
	c.Ingest.TLS = f.TLS
	g := start(t, c)
	mesh, other := clients.issue(2, inAnHour(), "spiffe://test/mesh"), clients.issue(3, inAnHour(), "spiffe://test/other")
	for name, c := range map[string]struct {
		shown  []tls.Certificate
		header string
		want   int
	}{
		"its certificate":                        {[]tls.Certificate{mesh}, "-", 200},
		"a certificate that no row names":        {[]tls.Certificate{other}, "-", 401},
		"that, and a key":                        {[]tls.Certificate{other}, "Bearer " + checkoutKey, 200},
		"its certificate, and another's key":     {[]tls.Certificate{mesh}, "Bearer " + checkoutKey, 401},
		"its certificate, and a wrong key":       {[]tls.Certificate{mesh}, "Bearer " + wrongKey, 401},
		"no certificate, and a header about one": {nil, "-", 401},
	} {
		t.Run(name, func(t *testing.T) {
			g.client = a.trusting(c.shown...)
			defer g.client.CloseIdleConnections()
			headers := append(headersFor(c.header), "X-Forwarded-Client-Cert", "URI=spiffe://test/mesh")
			if status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"hello"}`, headers...); status != c.want {
				t.Errorf("%d %s, want %d", status, body, c.want)
			}
		})
	}
}
