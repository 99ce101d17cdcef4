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

func TestASentenceSaysWhoMaySend(t *testing.T) {
	row := "callers:\n  - {name: a, key_sha256: " + sha("k") + "}\n"
	for text, want := range map[string]string{
		"":  "anybody on this machine may send",
		row: "1 caller may send",
		row + "  - {name: b, key_sha256: " + sha("l") + "}\n": "2 callers may send",
		row + "  - {name: anonymous, events: [x]}\n":          "1 caller may send",
		"allow_anonymous: true\n" + row:                       "1 caller may send, and anybody on this machine who shows no credentials",
	} {
		if c, _, err := load(text, nil, nil); err != nil || c.WhoMaySend() != want {
			t.Errorf("%s: %q, %v, want %q", text, c.WhoMaySend(), err, want)
		}
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
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.IngestURL()+"/v1/events", strings.NewReader(body))
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
	if r := send(`[{"event_name":"a"},{"event_name":"b"},{"event_name":"c"}]`); r.StatusCode != http.StatusOK {
		t.Fatalf("the first batch: %d", r.StatusCode)
	}
	if r := send(`{"event_name":"d"}`); r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") != "120" {
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

// keys revoke changes one file, and kill stands in another: that they do not fit any
// more must not keep a revoked key good, nor the gateway from starting.
func TestACallerThatIsKilledCanBeRevoked(t *testing.T) {
	line := func(name, key string) string {
		return `{"name":"` + name + `","keys":[{"sha256":"` + sha(key) + `","last4":"mnop","created":"2026-01-02T12:00:00Z"}]}` + "\n"
	}
	f := &files{texts: map[string]string{
		serve.DefaultFile: "callers_file: callers.jsonl\nkill: {callers: [search]}\n",
		"callers.jsonl":   line("checkout", checkoutKey) + line("search", searchKey),
	}}
	in := &serve.Inputs{ReadFile: f.read}
	c, from, err := serve.Load(*in)
	if err != nil {
		t.Fatal(err)
	}
	c.Ingest.Listen, c.Operations.Listen, c.Data = "", "", ""
	var log bytes.Buffer
	g := startWith(t, c, serve.Options{From: from, Inputs: in, Log: slog.New(slog.NewTextHandler(&log, nil))})
	f.set(map[string]string{"callers.jsonl": line("checkout", checkoutKey)})
	if err := g.Reload(); err != nil {
		t.Errorf("the revoked key is still good: %v", err)
	}
	if status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"hello"}`, headersFor("Bearer "+searchKey)...); status != 401 {
		t.Errorf("the revoked key: %d %s", status, body)
	}
	if !strings.Contains(log.String(), `"kill.callers names nobody" caller=search`) {
		t.Errorf("nothing says that the switch is for nobody:\n%s", &log)
	}
	if c, from, err = serve.Load(*in); err != nil || len(c.Problems(from)) > 0 {
		t.Errorf("the gateway does not start: %v, %v", err, c.Problems(from))
	}
	said := false
	for _, found := range serve.Check(t.Context(), c, from, "") {
		said = said || !found.OK && strings.Contains(found.Detail, "kill.callers (daybook.yaml:2:17): there is no caller search")
	}
	if !said {
		t.Error("check does not say it")
	}
}

// What cannot be read costs as much as what can: a client that sends nothing else must
// not be without bound.
func TestRequestsThatBringNoEventsCountToo(t *testing.T) {
	const broken = `{"event_name":`
	blank := "[" + strings.Repeat(" ", 100<<10) + "]"
	for name, c := range map[string]struct{ path, headers, body, quota string }{
		"http, not to be read":     {"/v1/events", "", broken, "events: 2/h"},
		"http, nothing but blanks": {"/v1/events", "", blank, "bytes: 150KiB/h"},
		"http, not to be unpacked": {"/v1/events", "Content-Encoding: gzip", broken, "events: 2/h"},
		"activity":                 {"/events/x", "", broken, "events: 2/h"},
		"first-party":              {"/api/event_logging/batch", "", broken, "events: 2/h"},
		"segment":                  {"/v1/batch", "", broken, "events: 2/h"},
		"cloudevents":              {"/v1/cloudevents", "Content-Type: application/cloudevents+json", broken, "events: 2/h"},
		"otlp":                     {"/v1/logs", "", broken, "events: 2/h"},
		"otlp, over connect":       {"/opentelemetry.proto.collector.logs.v1.LogsService/Export", "", broken, "events: 2/h"},
		"logevent":                 {"/events.v1.EventLoggingService/LogEvent", "", broken, "events: 2/h"},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, loaded(t, "callers:\n  - {name: checkout, key_sha256: "+sha(checkoutKey)+", quota: {"+c.quota+", burst: 1h}}\n"))
			shown := []string{"Authorization", "Bearer " + checkoutKey, "Content-Type", "application/json"}
			if name, value, ok := strings.Cut(c.headers, ": "); ok {
				shown = append(shown, name, value)
			}
			for range 2 {
				if status, body := g.do("POST", g.IngestURL()+c.path, c.body, shown...); status == 429 {
					t.Fatalf("within the quota: %s", body)
				}
			}
			if status, body := g.do("POST", g.IngestURL()+c.path, c.body, shown...); status != 429 || !strings.Contains(body, "quota") {
				t.Errorf("beyond the quota: %d %s", status, body)
			}
		})
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
