package serve_test

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"daybook.dev/gateway/internal/caller/license/licensetest"
	"daybook.dev/gateway/internal/caller/token/tokentest"
	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/serve"
)

// knownTokens is a configuration whose callers have tokens of s.
func knownTokens(s *tokentest.Server) string {
	return "tokens:\n" +
		"  introspection: {url: \"" + s.URL + tokentest.IntrospectionPath + "\", client_id: \"" + tokentest.ClientID + "\", client_secret: \"" + tokentest.ClientSecret + "\"}\n" +
		"callers:\n" +
		"  - {name: ci, jwt: {issuer: \"" + s.URL + "\", audience: daybook, claims: [\"repository=acme/shop\"]}}\n" +
		"  - {name: robots, introspection: {client_id: robots}}\n" +
		"  - {name: both, jwt: {issuer: \"" + s.URL + "\", audience: daybook, subject: ann}, introspection: {subject: ann}}\n"
}

func TestCallersProveThemselvesByTokens(t *testing.T) {
	s := tokentest.New(t)
	c := loaded(t, knownTokens(s))
	var log bytes.Buffer
	text := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g := startWith(t, c, serve.Options{Log: text, Events: text})
	s.Opaque("canary-robot", map[string]any{"client_id": "robots"})
	s.Opaque("canary-ann", map[string]any{"sub": "ann"})
	s.Opaque("canary-bob", map[string]any{"sub": "bob"})
	jwt := func(claims map[string]any) string {
		claims["exp"], claims["aud"] = inAnHour().Unix(), "daybook"
		return s.JWT(claims)
	}
	answers := ""
	for name, c := range map[string]struct {
		token  string
		status int
		says   string
	}{
		"a signed token":            {jwt(map[string]any{"repository": "acme/shop"}), 200, "stored"},
		"another repository's":      {jwt(map[string]any{"repository": "acme/else"}), 401, "unknown_credentials"},
		"a token a server knows":    {"canary-robot", 200, "stored"},
		"of a row with both kinds":  {"canary-ann", 200, "stored"},
		"the other of them":         {jwt(map[string]any{"sub": "ann"}), 200, "stored"},
		"somebody else's":           {"canary-bob", 401, "unknown_credentials"},
		"a token nobody knows":      {"canary-nobody", 401, "unknown_credentials"},
		"a token that is unsigned":  {"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.", 401, "unknown_credentials"},
		"an old token":              {s.JWT(map[string]any{"sub": "ann", "aud": "daybook", "exp": 1}), 401, "unknown_credentials"},
		"a token with the audience": {s.JWT(map[string]any{"sub": "ann", "aud": "else", "exp": inAnHour().Unix()}), 401, "unknown_credentials"},
	} {
		status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"hello"}`, "Authorization", "Bearer "+c.token)
		answers += body
		if status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s, want %d %s", name, status, body, c.status, c.says)
		}
	}
	s.Break(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
	status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"hello"}`, "Authorization", "Bearer canary-new")
	if status != 503 || !strings.Contains(body, "check_failed") {
		t.Errorf("nobody can tell: %d %s", status, body)
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	for _, line := range []string{
		`daybook_token_lookup_seconds_count{result="good"} 7`, `daybook_token_lookup_seconds_count{result="failed"} 1`,
		`daybook_events_total{caller="ci",protocol="http",reason="",status="stored"} 1`, `daybook_events_total{caller="both",protocol="http",reason="",status="stored"} 2`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	g.stop()
	<-g.stopped
	requireNoCanary(t, map[string]string{"answers": answers + body, "metrics": metrics, "log": log.String()})
	for _, line := range []string{"token: is not active", "token: has expired", "token: introspection: status 502"} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log lacks %q:\n%s", line, &log)
		}
	}
}

func TestAnIssuersKeysSurviveAReloadWhileItIsAway(t *testing.T) {
	s := tokentest.New(t)
	file := &fileOf{text: knownTokens(s)}
	g := startFrom(t, file, nil)
	send := func() int {
		token := s.JWT(map[string]any{"sub": "ann", "aud": "daybook", "exp": inAnHour().Unix(), "jti": time.Now().UnixNano()})
		status, _ := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"hello"}`, "Authorization", "Bearer "+token)
		return status
	}
	if status := send(); status != 200 {
		t.Fatalf("before: %d", status)
	}
	s.Break(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
	file.set(strings.Replace(knownTokens(s), "tokens:\n", "tokens:\n  keep: 30s\n", 1))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if status := send(); status != 200 {
		t.Errorf("after: %d", status)
	}
	file.set("callers: [{name: ci, key_sha256: " + sha(checkoutKey) + "}]")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if status := send(); status != 401 {
		t.Errorf("without the row: %d", status)
	}
}

func TestWhatIsWrongAboutTokensIsSaidWithThePlace(t *testing.T) {
	const asked = "tokens: {introspection: {url: 'https://x.example.com/i', client_id: a, client_secret: canary}}\n"
	vendor := strings.TrimSpace(licensetest.New(t).PublicKey())
	for name, test := range map[string]struct{ file, want string }{
		"a signed token":    {"callers:\n  - {name: a, jwt: {issuer: 'https://x.example.com', audience: b}}\n", ""},
		"a server's":        {asked + "callers:\n  - {name: a, introspection: {scopes: [x]}, services: [s]}\n", ""},
		"license keys":      {"callers:\n  - {name: a, instances: {license_keys: ['" + vendor + "']}}\n", ""},
		"no audience":       {"callers:\n  - {name: a, jwt: {issuer: 'https://x.example.com'}}\n", "daybook.yaml:2:5: callers.a: jwt.audience: is missing"},
		"no issuer":         {"callers:\n  - {name: a, jwt: {audience: b}}\n", "callers.a: jwt.issuer: is not an absolute URL"},
		"in the clear":      {"callers:\n  - {name: a, jwt: {issuer: 'http://x.example.com', audience: b}}\n", "daybook.yaml:2:29: callers.a: jwt.issuer: must begin with https://"},
		"half a claim":      {"callers:\n  - {name: a, jwt: {issuer: 'https://x.example.com', audience: b, claims: [x]}}\n", `callers.a: jwt.claims: "x" is not a claim such as repository=acme/shop`},
		"a misspelt key":    {"callers:\n  - {name: a, jwt: {isuer: x}}\n", "callers.a.jwt.isuer: unknown key at line 2, column 21; did you mean jwt.issuer?"},
		"nobody to ask":     {"callers:\n  - {name: a, introspection: {subject: x}}\n", "callers.a: introspection: there is nobody to ask: set tokens.introspection.url"},
		"no password":       {"tokens: {introspection: {url: 'https://x.example.com/i'}}\n", "daybook.yaml:1:31: tokens.introspection.url: needs client_id and client_secret"},
		"a server's, clear": {"tokens: {introspection: {url: 'http://x.example.com/i', client_id: a, client_secret: canary}}\n", "tokens.introspection.url: must begin with https://"},
		"an algorithm":      {"tokens: {algorithms: [RS256, none]}\n", `tokens.algorithms: "none" is not one of: RS256,`},
		"no public key":     {"callers:\n  - {name: a, instances: {license_keys: [canary]}}\n", "callers.a: instances.license_keys: public key: line 1: is neither a line of authorized_keys nor base64"},
	} {
		t.Run(name, func(t *testing.T) {
			c, from, err := load(test.file, nil, nil)
			text := errorText(err)
			for _, problem := range c.Problems(from) {
				text += problem.Error()
			}
			if test.want == "" && text != "" || !strings.Contains(text, test.want) {
				t.Errorf("got %q, want %q", text, test.want)
			}
			if strings.Contains(text, "canary") {
				t.Errorf("it shows what it should keep: %s", text)
			}
		})
	}
	c, from, err := load(asked, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var yaml strings.Builder
	if err := c.WriteYAML(&yaml, from); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(yaml.String(), "canary") {
		t.Errorf("printed\n%s", &yaml)
	}
}

func TestAClientCertificateProvesItsRow(t *testing.T) {
	a, clients, f := newAuthority(t), newAuthority(t), newPEMFiles(t)
	f.write(a.issue(1, inAnHour(), ""))
	f.ClientCA = filepath.Join(t.TempDir(), "clients.crt")
	f.writePEM(f.ClientCA, "CERTIFICATE", clients.cert.Raw)
	c := loaded(t, "callers:\n  - {name: mesh, mtls: {uri: 'spiffe://test/mesh'}}\n  - {name: checkout, key_sha256: "+sha(checkoutKey)+"}\n")
	c.Ingest.TLS = f.TLS
	g := start(t, c)
	mesh, stranger := clients.issue(7, inAnHour(), "spiffe://test/mesh"), clients.issue(8, inAnHour(), "spiffe://test/else")
	for name, c := range map[string]struct {
		shown  []tls.Certificate
		key    string
		status int
		says   string
	}{
		"its certificate":                {[]tls.Certificate{mesh}, "-", 200, "stored"},
		"a certificate no row names":     {[]tls.Certificate{stranger}, "-", 401, "missing_credentials"},
		"none":                           {nil, "-", 401, "missing_credentials"},
		"none, and a key":                {nil, "Bearer " + checkoutKey, 200, "stored"},
		"two that name different people": {[]tls.Certificate{mesh}, "Bearer " + checkoutKey, 401, "conflicting_credentials"},
	} {
		g.client = a.trusting(c.shown...)
		if status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"hello"}`, headersFor(c.key)...); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s, want %d %s", name, status, body, c.status, c.says)
		}
	}
}

// TestR27AManagedServiceIsKnownByItsTokenOverTheWire asks in Connect's words; the
// words of gRPC come from the same table.
func TestR27AManagedServiceIsKnownByItsTokenOverTheWire(t *testing.T) {
	s := tokentest.New(t)
	c := loaded(t, "tokens:\n"+
		"  introspection: {url: \""+s.URL+tokentest.IntrospectionPath+"\", client_id: \""+tokentest.ClientID+"\", client_secret: \""+tokentest.ClientSecret+"\"}\n"+
		"callers:\n  - {name: services, public: true, protocols: [telemetry-gateway], introspection: {scopes: [\"telemetry_gateway::events::write\"]}}\n")
	var log bytes.Buffer
	text := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g := startWith(t, c, serve.Options{Log: text, Events: text})
	s.Opaque("canary-write", map[string]any{"scope": "telemetry_gateway::events::write"})
	s.Opaque("canary-read", map[string]any{"scope": "telemetry_gateway::events::read"})
	const event = `{"metadata":{"requestId":"r","identifier":{"managedService":{"serviceId":"search"}}},` +
		`"event":{"id":"1234","timestamp":"2026-01-31T12:00:00Z","feature":"cody.chat","action":"opened"}}`
	answers := ""
	for name, c := range map[string]struct{ shown, path, body, says string }{
		"its token":                       {"bearer canary-write", "/telemetrygateway.v1.TelemeteryGatewayService/RecordEvent", event, `{}`},
		"another scope":                   {"Bearer canary-read", "/telemetrygateway.v1.TelemeteryGatewayService/RecordEvent", event, `"code":"permission_denied","message":"permission denied"`},
		"nobody's token":                  {"Bearer canary-nobody", "/telemetrygateway.v1.TelemeteryGatewayService/RecordEvent", event, `"code":"permission_denied","message":"permission denied"`},
		"no token":                        {"-", "/telemetrygateway.v1.TelemeteryGatewayService/RecordEvent", event, `"code":"unauthenticated"`},
		"another scheme":                  {basicAuth("canary", "canary-write"), "/telemetrygateway.v1.TelemeteryGatewayService/RecordEvent", event, `"code":"unauthenticated"`},
		"its token with another protocol": {"Bearer canary-write", "/v1/events", `{"event_name":"hello"}`, "protocol_not_allowed"},
	} {
		_, body := g.do("POST", g.IngestURL()+c.path, c.body, headersFor(c.shown)...)
		answers += body
		if !strings.Contains(body, c.says) {
			t.Errorf("%s: %s, want %s", name, body, c.says)
		}
	}
	s.Break(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
	_, body := g.do("POST", g.IngestURL()+"/telemetrygateway.v1.TelemeteryGatewayService/RecordEvent", event, headersFor("Bearer canary-new")...)
	if !strings.Contains(body, `"code":"internal"`) {
		t.Errorf("nobody can tell: %s", body)
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	if !strings.Contains(metrics, `daybook_events_total{caller="services",protocol="telemetry-gateway",reason="",status="stored"} 1`) {
		t.Error("the event is not counted as the service's")
	}
	g.stop()
	<-g.stopped
	requireNoCanary(t, map[string]string{"answers": answers + body, "metrics": metrics, "log": log.String()})
}

func TestAStreamEndsWhenItsCallerIsTakenAway(t *testing.T) {
	vendor, other := licensetest.New(t), licensetest.New(t)
	trusting := func(v *licensetest.Vendor) string {
		return "callers:\n  - {name: instances, instances: {license_keys: ['" + strings.TrimSpace(v.PublicKey()) + "']}}\n"
	}
	file := &fileOf{text: trusting(vendor)}
	g := startFrom(t, file, nil)
	stream, hangUp := recording(g)
	defer hangUp()
	licensed := &telemetrygatewayv1.Identifier{Identifier: &telemetrygatewayv1.Identifier_LicensedInstance{
		LicensedInstance: &telemetrygatewayv1.Identifier_LicensedInstanceIdentifier{LicenseKey: vendor.License(inAnHour())},
	}}
	if err := stream.Send(introduction(licensed)); err != nil {
		t.Fatal(err)
	}
	send := func(id string) error {
		_ = stream.Send(payloadOf(&telemetrygatewayv1.Event{Id: id, Timestamp: timestamppb.Now(), Feature: "search", Action: "run"}))
		_, err := stream.Receive()
		return err
	}
	if err := send("1"); err != nil {
		t.Fatal(err)
	}
	file.set("limits: {batch: 9000}\n" + trusting(vendor))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := send("2"); err != nil {
		t.Errorf("another configuration with the same callers: %v", err)
	}
	file.set(trusting(other))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := send("3"); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("the stream of a vendor that is trusted no longer: %v", err)
	}
	_ = stream.CloseRequest()
	_ = stream.CloseResponse()
}
