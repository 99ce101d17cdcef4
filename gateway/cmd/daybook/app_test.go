package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A console is a command line in a directory of its own, and what was printed.
type console struct {
	t              *testing.T
	env            map[string]string
	stdout, stderr bytes.Buffer
}

func newConsole(t *testing.T, env map[string]string) *console {
	t.Chdir(t.TempDir())
	return &console{t: t, env: env}
}

// run runs one command line and returns its exit status.
func (c *console) run(args ...string) int {
	c.stdout.Reset()
	c.stderr.Reset()
	var environ []string
	for name, value := range c.env {
		environ = append(environ, name+"="+value)
	}
	a := &app{
		environ: environ,
		stdin:   strings.NewReader(""), stdout: &c.stdout, stderr: &c.stderr, program: "daybook",
		env: func(name string) (string, bool) {
			value, ok := c.env[name]
			return value, ok
		},
	}
	return a.run(args)
}

func (c *console) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func TestWrongUsageIsAnsweredWithTheReasonTheUsageAndStatus2(t *testing.T) {
	c := newConsole(t, nil)
	for line, want := range map[string]string{
		"serv":                           `daybook has no command "serv"; did you mean serve`,
		"config prnt":                    `daybook config has no command "prnt"; did you mean print?`,
		"config example mars":            `"mars" is no example: there are cloudrun, laptop, vm`,
		"version more":                   `unknown command "more"`,
		"check --zebra":                  "unknown flag --zebra\n",
		"serve --ingest-lisen :8080":     "unknown flag --ingest-lisen; did you mean --ingest-listen?\n",
		"check -x":                       "unknown shorthand flag: 'x'",
		"version -o xml":                 `--output: "xml" is not one of: table, json`,
		"check --stop-within soon":       `"soon" is not a duration such as 10s, 24h or 7d`,
		"check --ingest-listen 8080":     `"8080" is not an address such as 127.0.0.1:8080`,
		"check --limits-memory 0":        "must be above zero (leave it out for the default, 256MiB)",
		"check --allow-anonymous=mayhap": "must be true or false",
		"check --test-event":             "--test-event is for --destinations",
	} {
		if status := c.run(strings.Fields(line)...); status != exitUsage {
			t.Errorf("%s: status %d, want %d", line, status, exitUsage)
		}
		got := c.stderr.String()
		if !strings.HasPrefix(got, "daybook: ") || !strings.Contains(got, want) || !strings.Contains(got, "\nUsage: daybook ") {
			t.Errorf("%s: printed\n%swant %s", line, got, want)
		}
		if c.stdout.Len() > 0 {
			t.Errorf("%s: on standard output: %s", line, &c.stdout)
		}
	}
}

func TestAWrongConfigurationIsAFailureAndSaysWhereEachMistakeIs(t *testing.T) {
	c := newConsole(t, map[string]string{"DAYBOOK_LIMITS_BATCH": "many"})
	c.write("daybook.yaml", "data: x\ningets:\n  listen: a\nzebra: []\n")
	for _, command := range []string{"serve", "config print", "tail"} {
		if status := c.run(strings.Fields(command)...); status != exitFailed {
			t.Errorf("%s: status %d, want %d", command, status, exitFailed)
		}
		want := "daybook: daybook.yaml: ingets: unknown key at line 2, column 1; did you mean ingest?\n" +
			"daybook: daybook.yaml: zebra: unknown key at line 4, column 1\n"
		if c.stderr.String() != want {
			t.Errorf("%s: printed\n%swant\n%s", command, &c.stderr, want)
		}
	}
	c.write("daybook.yaml", "")
	c.run("serve")
	if want := "daybook: environment DAYBOOK_LIMITS_BATCH: limits.batch: \"many\" is not a whole number\n"; c.stderr.String() != want {
		t.Errorf("printed %swant %s", &c.stderr, want)
	}
}

func TestConfigPrintShowsEachValueAndItsSourceAndNoSecret(t *testing.T) {
	c := newConsole(t, map[string]string{"DAYBOOK_OPERATIONS_TOKEN": "canary"})
	c.write("daybook.yaml", "stop:\n  within: 3s\n")
	if status := c.run("config", "print", "--log-level", "debug"); status != exitDone {
		t.Fatalf("status %d: %s", status, &c.stderr)
	}
	for _, line := range []string{
		`  listen: "127.0.0.1:8080"                 # default`,
		`  token: "********"                        # environment DAYBOOK_OPERATIONS_TOKEN`,
		`  within: 3s                               # daybook.yaml:2:11`,
		`  level: "debug"                           # flag --log-level`,
	} {
		if !strings.Contains(c.stdout.String(), line+"\n") {
			t.Errorf("the line %q is missing in\n%s", line, &c.stdout)
		}
	}
	c.run("config", "print", "-o", "json")
	lines := json.NewDecoder(&c.stdout)
	for lines.More() {
		var row struct{ Key, Value, From string }
		if err := lines.Decode(&row); err != nil {
			t.Fatal(err)
		}
		if row.Value == "canary" {
			t.Errorf("%s shows the token", row.Key)
		}
		if row.Key == "stop.within" && (row.Value != "3s" || row.From != "daybook.yaml:2:11") {
			t.Errorf("stop.within: %+v", row)
		}
	}
}

func TestCheckFailsExactlyWhenThereAreProblems(t *testing.T) {
	c := newConsole(t, map[string]string{})
	if status := c.run("check"); status != exitDone || !strings.Contains(c.stdout.String(), "(will be made)") {
		t.Errorf("status %d:\n%s%s", status, &c.stdout, &c.stderr)
	}
	if made, _ := filepath.Glob("*"); len(made) > 0 {
		t.Errorf("check made %v", made)
	}
	for _, env := range []map[string]string{
		{"PORT": "8080"},
		{"K_SERVICE": "book"},
		{"DAYBOOK_OPERATIONS_LISTEN": ":9999"},
		{"DAYBOOK_DATA": "/proc/version"},
		{"DAYBOOK_DATA": "/dev/null/x"},
		{"DAYBOOK_LOG_LEVEL": "loud"},
	} {
		c.env = env
		if status := c.run("check", "-o", "json"); status != exitFailed || !strings.Contains(c.stdout.String(), `"ok":false`) {
			t.Errorf("%v: status %d:\n%s", env, status, &c.stdout)
		}
	}
	c.env = map[string]string{"PORT": "8080", "K_SERVICE": "book"}
	if status := c.run("check", "--allow-anonymous", "--allow-ephemeral"); status != exitDone {
		t.Errorf("with permission: status %d:\n%s", status, &c.stdout)
	}
}

func TestCheckRemarksOnVariablesThatNobodyReads(t *testing.T) {
	c := newConsole(t, map[string]string{
		"DAYBOOK_INGEST_LISEN": "127.0.0.1:9", "DAYBOOK_FAVOURITE_COLOUR": "red",
		"DAYBOOK_LOG_LEVEL": "debug", "DAYBOOK_KEY": "k", "DAYBOOK_PORT_8080_TCP": "tcp://10.0.0.1:8080", "HOME": "/",
	})
	if status := c.run("check"); status != exitDone {
		t.Errorf("status %d: they stop nothing\n%s", status, &c.stdout)
	}
	var remarks []string
	for line := range strings.Lines(c.stdout.String()) {
		if strings.Contains(line, "environment ") {
			remarks = append(remarks, line)
		}
	}
	slices.Sort(remarks)
	want := []string{
		"ok       environment          DAYBOOK_FAVOURITE_COLOUR is set and is no key of the configuration\n",
		"ok       environment          DAYBOOK_INGEST_LISEN is set and is no key of the configuration; did you mean DAYBOOK_INGEST_LISTEN?\n",
	}
	if !slices.Equal(remarks, want) {
		t.Errorf("remarks %q, want %q", remarks, want)
	}
}

func TestEveryExampleCanBePrinted(t *testing.T) {
	c := newConsole(t, nil)
	for _, name := range []string{"laptop", "cloudrun", "vm"} {
		if status := c.run("config", "example", name); status != exitDone || !strings.Contains(c.stdout.String(), "\noperations:\n") {
			t.Errorf("%s: status %d: %s", name, status, &c.stdout)
		}
	}
}

func TestVersionIsPrintedForPeopleAndForMachines(t *testing.T) {
	c := newConsole(t, nil)
	if c.run("version") != exitDone || !strings.HasPrefix(c.stdout.String(), "daybook ") {
		t.Errorf("printed %s", &c.stdout)
	}
	var build struct{ Version, Go, Platform string }
	c.run("version", "-o", "json")
	if err := json.Unmarshal(c.stdout.Bytes(), &build); err != nil || build.Version == "" || build.Go == "" || build.Platform == "" {
		t.Errorf("printed %s: %v", &c.stdout, err)
	}
}

func TestCommandsFindTheGatewayByFlagEnvironmentAndConfiguration(t *testing.T) {
	for _, test := range []struct {
		name              string
		given, env        map[string]string
		gateway           string
		events, questions string
	}{
		{"by default", nil, nil, "", "http://127.0.0.1:8080", "http://127.0.0.1:8081"},
		{"by --gateway", nil, map[string]string{"DAYBOOK_GATEWAY": "http://env"}, "http://flag/", "http://flag", "http://127.0.0.1:8081"},
		{"by environment", nil, map[string]string{"DAYBOOK_GATEWAY": "http://env"}, "", "http://env", "http://127.0.0.1:8081"},
		{"by the addresses", map[string]string{"ingest.listen": ":9000", "operations.listen": "10.0.0.1:9001"}, nil, "", "http://127.0.0.1:9000", "http://10.0.0.1:9001"},
		{"on one port", map[string]string{"operations.listen": "ingest"}, nil, "https://book.example", "https://book.example", "https://book.example/-"},
	} {
		t.Chdir(t.TempDir())
		env := func(name string) (string, bool) {
			value, ok := test.env[name]
			return value, ok
		}
		a := &app{env: env, given: test.given, gateway: test.gateway}
		if url, err := a.gatewayURL(); err != nil || url != test.events {
			t.Errorf("%s: events go to %s, %v; want %s", test.name, url, err, test.events)
		}
		if url, _, err := a.operationsURL(); err != nil || url != test.questions {
			t.Errorf("%s: questions go to %s, %v; want %s", test.name, url, err, test.questions)
		}
	}
}
