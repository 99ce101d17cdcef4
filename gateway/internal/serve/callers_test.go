package serve_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"daybook.dev/gateway/internal/caller/license/licensetest"
	"daybook.dev/gateway/internal/serve"
)

// The secrets of the callers in these tests. None of them may ever be seen again.
const (
	checkoutKey = "dbk_canary-checkout-0123456789abcdefghijklm"
	searchKey   = "dbk_canary-search-00123456789abcdefghijklmn"
	cliPassword = "canary-password"
	wrongKey    = "dbk_canary-wrong-000123456789abcdefghijklmn"
)

func sha(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func basicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// knownCallers is a file with a caller of each kind that a test can prove.
var knownCallers = "callers:\n" +
	"  - name: checkout\n    key_sha256: " + sha(checkoutKey) + "\n    events: [\"checkout-*\", hello]\n" +
	"  - {name: search, key_sha256: [" + sha(searchKey) + "], protocols: [segment]}\n" +
	"  - {name: cli, basic: {user: cli, password_sha256: " + sha(cliPassword) + "}}\n"

func TestAListOfCallersIsReadOrRefusedWithThePlace(t *testing.T) {
	hash := sha("k")
	for name, test := range map[string]struct {
		file string
		want string // error text; "" = accepted
	}{
		"callers of all kinds": {knownCallers, ""},
		"none":                 {"callers:\n", ""},
		"certificates":         {"callers:\n  - {name: a, mtls: {uri: spiffe://x/a, spki_sha256: " + hash + "}}\n", ""},
		"a quota":              {"callers:\n  - {name: a, key_sha256: " + hash + ", quota: {events: 1000/s, bytes: 1MiB/s, burst: 30s}}\n", ""},
		"instances":            {"callers:\n  - {name: a, instances: {unlicensed: true}}\n", ""},
		"bounds for anonymous": {"callers:\n  - {name: anonymous, events: [page-*]}\n", ""},

		"a mapping":             {"callers: {a: {}}\n", "daybook.yaml:1:10: callers: must be a list, with - name: NAME for each caller"},
		"no name":               {"callers:\n  - key_sha256: " + hash + "\n", "daybook.yaml:2:15: callers[0]: has no name"},
		"a misspelt key":        {"callers:\n  - name: a\n    key_sha526: x\n", "daybook.yaml: callers.a.key_sha526: unknown key at line 3, column 5; did you mean key_sha256?"},
		"a misspelt inner key":  {"callers:\n  - name: a\n    basic: {usr: x}\n", "daybook.yaml: callers.a.basic.usr: unknown key at line 3, column 13; did you mean basic.user?"},
		"a key as it is":        {"callers:\n  - {name: a, key_sha256: " + checkoutKey + "}\n", "daybook.yaml:2:27: callers.a: key_sha256: is a key, and must be its hash"},
		"half a hash":           {"callers:\n  - {name: a, key_sha256: " + hash[1:] + "}\n", "daybook.yaml:2:27: callers.a: key_sha256: must be a SHA-256"},
		"two of a name":         {"callers:\n  - {name: a, key_sha256: " + hash + "}\n  - {name: a, key_sha256: " + sha("l") + "}\n", "daybook.yaml:3:12: callers.a: name: there are two callers of this name"},
		"two with a key":        {"callers:\n  - {name: a, key_sha256: " + hash + "}\n  - {name: b, key_sha256: " + hash + "}\n", "daybook.yaml:3:27: callers.b: key_sha256: caller a has this key too"},
		"no proof":              {"callers:\n  - name: a\n", "daybook.yaml:2:9: callers.a: has no proof"},
		"an unknown protocol":   {"callers:\n  - {name: a, key_sha256: " + hash + ", protocols: [segmnt]}\n", `callers.a: protocols: "segmnt" is not one of: http,`},
		"a name of its own":     {"callers:\n  - {name: \"a b\", key_sha256: " + hash + "}\n", "callers.a b: name: must have letters, digits"},
		"a password as it is":   {"callers:\n  - {name: a, basic: {user: a, password_bcrypt: canary-x}}\n", "callers.a: basic: the hash of the password is neither"},
		"a rate without a time": {"callers:\n  - {name: a, key_sha256: " + hash + ", quota: {events: 1000}}\n", `callers.a.quota.events: "1000" is not a rate such as 100/s or 5/m`},
		"a rate of nothing":     {"callers:\n  - {name: a, key_sha256: " + hash + ", quota: {bytes: 0/s}}\n", `"0/s" is not a rate of bytes such as 1MiB/s`},
		"a file that is absent": {"callers_file: callers.jsonl\n", "callers_file: callers.jsonl is not there: daybook keys create NAME makes it"},
		"callers, misspelt":     {"caller: []\n", "did you mean callers?"},
	} {
		t.Run(name, func(t *testing.T) {
			c, from, err := load(test.file, nil, nil)
			text := ""
			if err != nil {
				text = err.Error()
			}
			for _, problem := range c.Problems(from) {
				text += problem.Error()
			}
			if test.want == "" && text != "" || !strings.Contains(text, test.want) {
				t.Errorf("got %q, want %q", text, test.want)
			}
			if strings.Contains(text, "canary") || strings.Contains(text, hash) {
				t.Errorf("it shows what it should keep: %s", text)
			}
		})
	}
}

func TestTheDocumentNamesEveryKeyOfACaller(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "callers.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range serve.CallerKeys() {
		if !strings.Contains(string(text), "`"+k.Name+"`") {
			t.Errorf("docs/callers.md does not name %s", k.Name)
		}
	}
	env := map[string]string{
		"CLI_PASSWORD_HASH": "$2a$04$" + strings.Repeat("a", 53), "INTROSPECTION_SECRET": "s", "VENDOR_KEY": strings.TrimSpace(licensetest.New(t).PublicKey()),
	}
	ran := 0
	for _, s := range snippetsOf(t, "docs/callers.md") {
		if s.language != "yaml" {
			continue
		}
		ran++
		c, from, err := load(s.text, nil, env)
		if problems := c.Problems(from); err != nil || len(problems) > 0 {
			t.Errorf("the document has\n%s\nwhich is refused: %v, %v", s.text, err, problems)
		}
	}
	if ran == 0 {
		t.Error("no snippet was found")
	}
}

func TestHashesOfPasswordsAreMasked(t *testing.T) {
	c, from, err := load(knownCallers, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var yaml strings.Builder
	if err := c.WriteYAML(&yaml, from); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(yaml.String(), sha(cliPassword)) || !strings.Contains(yaml.String(), "********") {
		t.Errorf("printed\n%s", &yaml)
	}
	for _, want := range []string{"\n  - name: \"checkout\"  ", "\n    protocols: \"segment\"  ", "\n    basic:\n      user: \"cli\"  "} {
		if !strings.Contains(yaml.String(), want) {
			t.Errorf("printed\n%s\nwithout %q", &yaml, want)
		}
	}
}

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

func TestAnEventThatItsCallerMayNotSendIsRefusedOnItsOwn(t *testing.T) {
	g := start(t, loaded(t, knownCallers))
	_, body := g.do("POST", g.IngestURL()+"/v1/events", `[{"event_name":"checkout-begun"},{"event_name":"signup"}]`, headersFor("Bearer "+checkoutKey)...)
	if !strings.Contains(body, `"status":"stored"},{`) || !strings.Contains(body, `"status":"refused","code":"denied","reason":"event_not_allowed","field":"event_name"`) {
		t.Errorf("answered %s", body)
	}
	if status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"signup"}`, headersFor("Bearer "+checkoutKey)...); status != 403 {
		t.Errorf("alone: %d %s", status, body)
	}
}

func TestACallerOverItsQuotaIsToldWhenToComeAgain(t *testing.T) {
	c := loaded(t, "callers:\n  - {name: checkout, key_sha256: "+sha(checkoutKey)+", quota: {events: 1/m, burst: 2m}}\n")
	var log bytes.Buffer
	g := startWith(t, c, serve.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	send := func(body string) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), "POST", g.IngestURL()+"/v1/events", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+checkoutKey)
		response, err := g.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response
	}
	if r := send(`[{"event_name":"a"},{"event_name":"b"},{"event_name":"c"}]`); r.StatusCode != 200 {
		t.Fatalf("the first batch: %d", r.StatusCode)
	}
	if r := send(`{"event_name":"d"}`); r.StatusCode != 429 || r.Header.Get("Retry-After") != "120" {
		t.Errorf("after 3 events at 1 a minute, of which 2 were saved: %d, Retry-After %q", r.StatusCode, r.Header.Get("Retry-After"))
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	if !strings.Contains(metrics, `daybook_quota_refusals_total{caller="checkout",protocol="http"} 1`) || strings.Contains(metrics, "daybook_auth_refusals_total{") {
		t.Error("the metrics do not count the refusal, or as one of credentials")
	}
	g.stop()
	<-g.stopped
	if strings.Contains(log.String(), "cannot be stored") {
		t.Errorf("a quota looks like a broken store:\n%s", &log)
	}
}

// A callersFile is a configuration with a file of callers, both of which change.
type files struct {
	mu    sync.Mutex
	texts map[string]string // guarded by mu: by path
}

func (f *files) read(path string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, ok := f.texts[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

func (f *files) set(texts map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.Copy(f.texts, texts)
}

func TestCallersChangeWhileTheGatewayRuns(t *testing.T) {
	line := func(name, key string) string {
		return `{"name":"` + name + `","keys":[{"sha256":"` + sha(key) + `","last4":"mnop","created":"2026-01-02T12:00:00Z"}]}` + "\n"
	}
	f := &files{texts: map[string]string{serve.DefaultFile: "callers_file: callers.jsonl\n", "callers.jsonl": line("checkout", checkoutKey)}}
	in := &serve.Inputs{ReadFile: f.read}
	c, from, err := serve.Load(*in)
	if err != nil {
		t.Fatal(err)
	}
	c.Ingest.Listen, c.Operations.Listen, c.Data = "", "", ""
	g := startWith(t, c, serve.Options{From: from, Inputs: in})
	requireStatus := func(when, shown string, want int) {
		t.Helper()
		if status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"hello"}`, headersFor(shown)...); status != want {
			t.Errorf("%s: %d %s, want %d", when, status, body, want)
		}
	}
	reload := func(text string, ok bool) {
		t.Helper()
		f.set(map[string]string{"callers.jsonl": text})
		if err := g.Reload(); (err == nil) != ok {
			t.Errorf("reload: %v", err)
		}
	}
	requireStatus("with a key of the file", "Bearer "+checkoutKey, 200)
	requireStatus("with another key", "Bearer "+searchKey, 401)
	reload(line("checkout", checkoutKey)+line("search", searchKey), true)
	requireStatus("with a key that was added", "Bearer "+searchKey, 200)
	reload("{broken", false)
	requireStatus("after a bad file", "Bearer "+searchKey, 200)
	reload(line("search", searchKey), true)
	requireStatus("with a key that was revoked", "Bearer "+checkoutKey, 401)
	reload("", true)
	requireStatus("when the last key was revoked", "Bearer "+searchKey, 401)
	requireStatus("without credentials then", "-", 401)
}

func TestAReloadNeverOpensAPortThatOthersCanReach(t *testing.T) {
	f := &files{texts: map[string]string{serve.DefaultFile: knownCallers}}
	in := &serve.Inputs{ReadFile: f.read}
	c, from, err := serve.Load(*in)
	if err != nil {
		t.Fatal(err)
	}
	c.Ingest.Listen, c.Operations.Listen, c.Data = ":0", "", ""
	g := startWith(t, c, serve.Options{From: from, Inputs: in})
	// The new file has its listener on loopback, which would need no callers; the
	// port that is open is another one.
	f.set(map[string]string{serve.DefaultFile: "instance: x\n"})
	if err := g.Reload(); err == nil || !strings.Contains(err.Error(), "can be reached from other machines") {
		t.Errorf("Reload = %v", err)
	}
	if status, _ := g.do("POST", strings.Replace(g.IngestURL(), "0.0.0.0", "127.0.0.1", 1)+"/v1/events", `{"event_name":"hello"}`); status != 401 {
		t.Errorf("without credentials: %d", status)
	}
}
