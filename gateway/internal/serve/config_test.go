package serve_test

import (
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"daybook.dev/gateway/internal/serve"
)

// load reads text as daybook.yaml, beside the given flags and environment.
func load(text string, flags, env map[string]string) (serve.Config, serve.Origins, error) {
	return serve.Load(serve.Inputs{
		Flags: flags,
		Env: func(name string) (string, bool) {
			value, ok := env[name]
			return value, ok
		},
		ReadFile: func(path string) ([]byte, error) {
			switch path {
			case serve.DefaultFile:
				return []byte(text), nil
			case "/run/secrets/token":
				return []byte("from-a-file\n"), nil
			case "/etc/daybook/callers.jsonl": // of the example
				return nil, nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	})
}

func TestWithoutAnyInputEveryKeyHasItsDefault(t *testing.T) {
	c, from, err := load("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	want := map[string]string{
		"ingest.listen": "127.0.0.1:8080", "ingest.trust_headers.email": "x-goog-authenticated-user-email", "ingest.trust_headers.id": "x-goog-authenticated-user-id",
		"ingest.trust_headers.from": "127.0.0.0/8,::1/128", "ingest.cors.origins": "", "ingest.cors.max_age": "10m", "operations.listen": "127.0.0.1:8081", "operations.token": "", "operations.read_token": "",
		"ingest.tls.cert": "", "ingest.tls.key": "", "ingest.tls.client_ca": "", "operations.tls.cert": "", "operations.tls.key": "", "operations.tls.client_ca": "",
		"tokens.introspection.url": "", "tokens.introspection.client_id": "", "tokens.introspection.client_secret": "", "tokens.algorithms": "", "tokens.keep": "1m",
		"tokens.service_scopes": "telemetry_gateway::events::publish,telemetry_gateway::events::write",
		"data":                  "./daybook-data", "store": "journal", "dead_letters": "", "allow_anonymous": "false", "callers_file": "", "allow_ephemeral": "false",
		"instance": host, "dedup.window": "24h", "dedup.by": "event_id",
		"journal.keep": "7d", "journal.max_size": "10GiB", "journal.warn_at": "80%", "journal.refuse_at": "95%",
		"journal.tamper_evidence": "",
		"limits.memory":           "256MiB", "limits.request": "16MiB",
		"limits.decompressed": "64MiB", "limits.event": "1MiB", "limits.batch": "10000", "limits.connections": "10000", "limits.quarantine": "64MiB", "otlp.unnamed": "keep",
		"telemetry_gateway.private_metadata": "", "telemetry_gateway.max_message": "90MiB", "telemetry_gateway.idle": "10m",
		"log.format": "auto", "log.level": "info", "log.events": "debug", "stop.delay": "0s", "stop.within": "8s",
		"kill.events": "", "kill.callers": "", "kill.destinations": "", "rules_tests": "",
	}
	settings := c.Settings(from)
	if len(settings) != len(want) {
		t.Errorf("%d keys, want %d", len(settings), len(want))
	}
	for _, s := range settings {
		if s.Value != want[s.Key] || s.From != "default" {
			t.Errorf("%s = %q from %s, want %q from default", s.Key, s.Value, s.From, want[s.Key])
		}
	}
	if problems := c.Problems(from); len(problems) > 0 {
		t.Errorf("the defaults have problems: %v", problems)
	}
}

func TestAFileIsReadOrRefusedWithThePlace(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		want string // error text; "" = accepted
	}{
		"an empty file":                     {"", ""},
		"only a comment":                    {"# nothing yet\n", ""},
		"an empty section":                  {"ingest:\n", ""},
		"an empty value":                    {"instance:\n", ""},
		"a list":                            {"ingest:\n  trust_headers:\n    from: [\"10.0.0.0/8\", \"fd00::/8\"]\n", ""},
		"a list of what is no network":      {"ingest: {trust_headers: {from: [proxy]}}\n", `daybook.yaml:1:32: ingest.trust_headers.from: "proxy" is not a network such as 10.0.0.0/8`},
		"flow style":                        {"stop: {delay: 5s, within: 1m}\n", ""},
		"a misspelled section":              {"data: x\n\ningets:\n  listen: a\n", "daybook.yaml: ingets: unknown key at line 3, column 1; did you mean ingest?"},
		"a misspelled key":                  {"ingest:\n  lisen: a\n", "daybook.yaml: ingest.lisen: unknown key at line 2, column 3; did you mean ingest.listen?"},
		"a key like no other":               {"zebra: 1\n", "daybook.yaml: zebra: unknown key at line 1, column 1"},
		"a dotted key":                      {"ingest.listen: a\n", "daybook.yaml: ingest.listen: unknown key at line 1, column 1; keys nest: write ingest: listen"},
		"what makes a duplicate":            {"dedup:\n  by: [event_id, idempotency_key]\n", ""},
		"a duplicate by something else":     {"dedup:\n  by: [event_id, name]\n", `daybook.yaml:2:7: dedup.by: "name" is not one of: event_id, idempotency_key`},
		"a duplicate without its id":        {"dedup: {by: idempotency_key}\n", "daybook.yaml:1:13: dedup.by: event_id must be in it: without it a repeated request would be stored twice"},
		"settings for clients":              {"settings: {sampling: {a: {sample_rate: 0.1}, b: {sample_rate: 1, by: user_id}}, kill: [hook], batch: {events: 100}}\n", ""},
		"settings of another kind":          {"settings: {samplig: {}}\n", "daybook.yaml:1:11: settings.samplig: is not one of: sampling, kill, batch"},
		"a rate above 1":                    {"settings: {sampling: {a: {sample_rate: 2}}}\n", "daybook.yaml:1:11: settings.sampling: a: sample_rate must be from 0 to 1"},
		"how much is kept":                  {"journal: {keep: 7d, max_size: 10GiB, warn_at: 80%, refuse_at: 95%}\n", ""},
		"a share without its sign":          {"journal: {warn_at: 80}\n", `daybook.yaml:1:20: journal.warn_at: "80" is not a share such as 80%`},
		"a share above all":                 {"journal: {warn_at: 101%}\n", `daybook.yaml:1:20: journal.warn_at: "101%" is not a share such as 80%`},
		"a wrong address":                   {"ingest:\n  listen: here\n", `daybook.yaml:2:11: ingest.listen: "here" is not an address such as 127.0.0.1:8080`},
		"a wrong port":                      {"ingest: {listen: 'localhost:99999'}\n", `daybook.yaml:1:18: ingest.listen: "localhost:99999": the port must be a number from 0 to 65535`},
		"a wrong size":                      {"limits: {memory: 12 apples}\n", `daybook.yaml:1:18: limits.memory: "12 apples" is not a size such as 16MiB`},
		"a size beyond all":                 {"limits: {memory: 9999999999TiB}\n", `daybook.yaml:1:18: limits.memory: "9999999999TiB" is not a size such as 16MiB`},
		"a zero limit":                      {"limits: {memory: 0}\n", "daybook.yaml:1:18: limits.memory: must be above zero (leave it out for the default, 256MiB)"},
		"a wrong duration":                  {"stop: {within: soon}\n", `daybook.yaml:1:16: stop.within: "soon" is not a duration such as 10s, 24h or 7d`},
		"a negative duration":               {"stop: {within: -1s}\n", `daybook.yaml:1:16: stop.within: "-1s" is not a duration such as 10s, 24h or 7d`},
		"a wrong word":                      {"log: {format: xml}\n", `daybook.yaml:1:15: log.format: "xml" is not one of: auto, text, json, gcp`},
		"a wrong truth":                     {"allow_anonymous: yes\n", "daybook.yaml:1:18: allow_anonymous: must be true or false"},
		"a list for a value":                {"data: [a, b]\n", "daybook.yaml:1:7: data: must be a single value"},
		"a value for a section":             {"ingest: 8080\n", "daybook.yaml:1:9: ingest: must hold keys such as listen"},
		"a text for the file":               {"hello\n", "daybook.yaml:1:1: must hold keys such as ingest.listen"},
		"a key twice":                       {"data: a\ndata: b\n", `daybook.yaml:2:1: mapping key "data" already defined at [1:1]`},
		"an anchor":                         {"data: &a x\n", "daybook.yaml:1:7: data: must be a single value"},
		"no YAML":                           {"a: [\n", "daybook.yaml:1:4: sequence end token ']' not found"},
		"two documents":                     {"data: a\n---\ndata: b\n", "daybook.yaml: holds 2 documents, must be one"},
		"an unset variable":                 {"data: ${NOWHERE}/x\n", "daybook.yaml:1:7: data: ${NOWHERE}: the environment variable is not set (write ${NOWHERE:-} for an empty default)"},
		"an unclosed reference":             {"data: ${NOWHERE\n", "daybook.yaml:1:7: data: ${ has no closing }"},
		"a reference to a file that is not": {"data: ${file:/nowhere}\n", "daybook.yaml:1:7: data: ${file:…}: open /nowhere: file does not exist"},
		"two mistakes":                      {"zebra: 1\nlog: {level: loud}\n", "daybook.yaml: zebra: unknown key at line 1, column 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := load(test.file, nil, nil)
			if got := errorText(err); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestReferencesAreReplacedInsideValues(t *testing.T) {
	env := map[string]string{"BASE": "/srv", "TRICK": "x\nstore: y", "EMPTY": ""}
	for file, want := range map[string]string{
		"data: ${BASE}/book":               "/srv/book",
		"data: ${NONE:-/var}/book":         "/var/book",
		"data: ${EMPTY:-/var}":             "/var",
		"data: ${BASE}${BASE}":             "/srv/srv",
		"data: ${TRICK}":                   "x\nstore: y",
		"data: $${BASE}":                   "${BASE}",
		"data: ${file:/run/secrets/token}": "from-a-file",
	} {
		c, _, err := load(file, nil, env)
		if err != nil || c.Data != want {
			t.Errorf("%s: data = %q, %v; want %q", file, c.Data, err, want)
		}
	}
}

func TestAFlagCountsBeforeTheEnvironmentBeforeTheFile(t *testing.T) {
	file := "ingest: {listen: '127.0.0.1:1'}\n"
	env := map[string]string{"DAYBOOK_INGEST_LISTEN": "127.0.0.1:2", "PORT": "4"}
	flags := map[string]string{"ingest.listen": "127.0.0.1:3"}
	steps := []struct {
		flags, env map[string]string
		file       string
		want, from string
	}{
		{flags, env, file, "127.0.0.1:3", "flag --ingest-listen"},
		{nil, env, file, "127.0.0.1:2", "environment DAYBOOK_INGEST_LISTEN"},
		{nil, map[string]string{"PORT": "4"}, file, ":4", "environment PORT"},
		{nil, nil, file, "127.0.0.1:1", "daybook.yaml:1:18"},
		{nil, nil, "", "127.0.0.1:8080", "default"},
	}
	for _, step := range steps {
		c, from, err := load(step.file, step.flags, step.env)
		if err != nil || string(c.Ingest.Listen) != step.want || from.Of("ingest.listen") != step.from {
			t.Errorf("ingest.listen = %s from %s, %v; want %s from %s",
				c.Ingest.Listen, from.Of("ingest.listen"), err, step.want, step.from)
		}
	}
}

func TestAWrongValueNamesTheFlagOrVariableItCameFrom(t *testing.T) {
	_, _, err := load("", map[string]string{"stop.within": "x"}, map[string]string{"PORT": "tcp://10.0.0.1", "DAYBOOK_LIMITS_BATCH": "-1"})
	want := `environment PORT: ingest.listen: ":tcp://10.0.0.1" is not an address such as 127.0.0.1:8080
environment DAYBOOK_LIMITS_BATCH: limits.batch: "-1" is not a whole number
flag --stop-within: stop.within: "x" is not a duration such as 10s, 24h or 7d`
	if errorText(err) != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestAFileThatWasNamedMustExistAndTheDefaultOneNeedNot(t *testing.T) {
	missing := func(path string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	if _, _, err := serve.Load(serve.Inputs{ReadFile: missing}); err != nil {
		t.Errorf("without daybook.yaml: %v", err)
	}
	_, _, err := serve.Load(serve.Inputs{File: "my.yaml", ReadFile: missing})
	if want := "configuration: open my.yaml: file does not exist"; errorText(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSecretsAreMaskedWhereverTheyArePrinted(t *testing.T) {
	c, from, err := load("", nil, map[string]string{"DAYBOOK_OPERATIONS_TOKEN": "canary"})
	if err != nil || c.Operations.Token != "canary" {
		t.Fatalf("token %q, %v", string(c.Operations.Token), err)
	}
	var yaml strings.Builder
	if err := c.WriteYAML(&yaml, from); err != nil {
		t.Fatal(err)
	}
	printed := yaml.String() + fmt.Sprintf("%v %+v %#v %v", c, c, c, c.Settings(from))
	if strings.Contains(printed, "canary") {
		t.Errorf("the token is in:\n%s", printed)
	}
	if !strings.Contains(printed, "********") {
		t.Errorf("the mask is missing in:\n%s", printed)
	}
}

func TestWhatIsPrintedLoadsAsTheSameConfiguration(t *testing.T) {
	file := "data: '$${X} # \"quoted\"'\nstop: {delay: 90s, within: 7d}\nlimits: {memory: 1GB}\ndedup: {window: 36h}\ninstance: '123'\n" +
		"settings: {kill: [hook]}\n" +
		"callers:\n  - {name: a, basic: {user: u, password_bcrypt: 'postgres://db/x'}, protocols: [http], quota: {events: 5/m, bytes: 1MiB/s}, public: true}\n" +
		"  - name: b\n    key_sha256: [aa, bb]\n" +
		"destinations:\n  book: {type: postgres, url: 'postgres://db/x', where: 'event_name == \"a\"', send: [event_id, event_name, event_ts], batch: {events: 7}}\n"
	c, from, err := load(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var yaml strings.Builder
	if err := c.WriteYAML(&yaml, from); err != nil {
		t.Fatal(err)
	}
	// The secrets, which are the same here, are masked, and what is masked is not the same.
	unmasked := strings.ReplaceAll(yaml.String(), "********", "postgres://db/x")
	again, _, err := load(unmasked, nil, nil)
	if err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("printed\n%s\nloads as %+v, %v\nwant %+v", yaml.String(), again, err, c)
	}
	if c.Stop.Within != 7*24*time.Hour || c.Limits.Memory != 1e9 {
		t.Errorf("read %+v", c)
	}
}

func TestEveryExampleLoadsAndHasNoProblems(t *testing.T) {
	env := map[string]string{"DAYBOOK_OPERATIONS_TOKEN": "t", "STATSIG_SERVER_KEY": "secret-k", "PORT": "8080"}
	if len(serve.Examples()) != 3 {
		t.Errorf("examples: %v", serve.Examples())
	}
	for _, name := range serve.Examples() {
		text, _ := serve.Example(name)
		if name != "cloudrun" {
			delete(env, "PORT")
		}
		c, from, err := load(string(text), nil, env)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if problems := c.Problems(from); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
	}
	if _, ok := serve.Example("../config"); ok {
		t.Error("a path is no name of an example")
	}
}

func TestAListenerThatOthersCanReachNeedsPermission(t *testing.T) {
	for name, test := range map[string]struct {
		config serve.Config
		want   string
	}{
		"loopback by default":              {serve.Config{}, ""},
		"loopback by name and in IPv6":     {serve.Config{Ingest: serve.Ingest{Listen: "localhost:1"}, Operations: serve.Operations{Listen: "[::1]:2"}}, ""},
		"ingest on every interface":        {serve.Config{Ingest: serve.Ingest{Listen: ":8080"}}, "--allow-anonymous"},
		"ingest on a name":                 {serve.Config{Ingest: serve.Ingest{Listen: "book.internal:8080"}}, "--allow-anonymous"},
		"ingest with callers":              {serve.Config{Ingest: serve.Ingest{Listen: ":8080"}, CallersFile: "callers.jsonl"}, ""},
		"ingest with bounds for anonymous": {serve.Config{Ingest: serve.Ingest{Listen: ":8080"}, Callers: []serve.Caller{{Name: "anonymous"}}}, "--allow-anonymous"},
		"ingest with permission":           {serve.Config{Ingest: serve.Ingest{Listen: ":8080"}, AllowAnonymous: true}, ""},
		"operations on every interface":    {serve.Config{Operations: serve.Operations{Listen: "0.0.0.0:8081"}}, "set operations.token"},
		"operations with a token":          {serve.Config{Operations: serve.Operations{Listen: "0.0.0.0:8081", Token: "t"}}, ""},
		"operations for readers alone":     {serve.Config{Operations: serve.Operations{Listen: "0.0.0.0:8081", ReadToken: "t"}}, ""},
		"one token for both roles":         {serve.Config{Operations: serve.Operations{Token: "t", ReadToken: "t"}}, "operations.read_token"},
		"operations on the ingest port":    {serve.Config{Operations: serve.Operations{Listen: serve.OnIngest}}, "set operations.token"},
		"there with a token":               {serve.Config{Operations: serve.Operations{Listen: serve.OnIngest, Token: "t"}}, ""},
		"both on one address":              {serve.Config{Operations: serve.Operations{Listen: "127.0.0.1:8080"}}, "operations.listen: ingest"},
		"memory below the largest request": {serve.Config{Limits: serve.Limits{Memory: 1 << 20}}, "limits.memory"},
		"private metadata of no event":     {serve.Config{TelemetryGateway: serve.TelemetryGateway{PrivateMetadata: "search::query"}}, "telemetry_gateway.private_metadata (default): \"search::query\" is not"},
		"memory for the bodies alone":      {serve.Config{Limits: serve.Limits{Memory: 150 << 20}}, "limits.memory"},
		"a journal below its chunks":       {serve.Config{Journal: serve.Journal{MaxSize: 1 << 20}}, "journal.max_size"},
		"a warning that comes too late":    {serve.Config{Journal: serve.Journal{WarnAt: 96}}, "journal.warn_at"},
		"an event above the request":       {serve.Config{Limits: serve.Limits{Event: 65 << 20}}, "limits.decompressed"},
	} {
		t.Run(name, func(t *testing.T) {
			problems := test.config.Problems(nil)
			switch {
			case test.want == "" && len(problems) > 0:
				t.Errorf("problems: %v", problems)
			case test.want != "" && (len(problems) != 1 || !strings.Contains(problems[0].Error(), test.want)):
				t.Errorf("problems %v, want one that says %q", problems, test.want)
			}
		})
	}
}

func FuzzConfig(f *testing.F) {
	for _, name := range serve.Examples() {
		text, _ := serve.Example(name)
		f.Add(string(text))
	}
	f.Add("ingets: &a {b: *a}\n? x\n: - y\n")
	f.Add("data: ${A:-${B}}\nstop: {delay: 1d12h}\n")
	f.Add("redact: [{field: actor_id, with: mask}]\nrules:\n  - {match: 'true', sample: 0.1}\n  - {}\nschemas: {a: {minimum: 1.50, pattern: '$x'}}\nkill: {events: [a, b]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, from, err := load(text, nil, nil)
		if err != nil {
			return
		}
		var yaml strings.Builder
		if err := c.WriteYAML(&yaml, from); err != nil {
			t.Fatal(err)
		}
		// The one secret is masked, and what is masked is not the same.
		unmasked := strings.ReplaceAll(yaml.String(), "********", "postgres://db/x")
		again, _, err := load(unmasked, nil, nil)
		again.Operations.Token = c.Operations.Token // printed masked
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%q loads as %+v, printed and loaded again as %+v, %v", text, c, again, err)
		}
	})
}
