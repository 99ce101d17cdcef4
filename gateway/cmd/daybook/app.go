package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/serve"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1 // it failed, or problems were found
	exitUsage  = 2 // the command line is wrong
)

// errReported is returned by a command that failed and has already said why.
var errReported = errors.New("already reported")

// An app is what every command shares: the streams, the environment and the
// persistent flags. Standard output carries data and nothing else; progress
// and hints go to standard error.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	stdinIsTerminal, stdoutIsTerminal, stderrIsTerminal bool

	env     func(name string) (value string, ok bool)
	environ []string // the whole environment, NAME=VALUE
	program string   // what a person types to run daybook

	// Persistent flags.
	file    string            // --config
	gateway string            // --gateway
	key     string            // --key
	output  string            // --output
	given   map[string]string // configuration keys given as flags

	begun bool // the command line was understood
}

// run executes one command line and returns the exit status.
func (a *app) run(args []string) int {
	a.given = map[string]string{}
	root := newRoot(a)
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	switch {
	case err == nil:
		return exitDone
	case !a.begun || errors.As(err, new(usageError)):
		a.printError(err)
		fmt.Fprintf(a.stderr, "\n%s\nTry: %s --help\n", usageLine(cmd), cmd.CommandPath())
		return exitUsage
	case !errors.Is(err, errReported):
		a.printError(err)
	}
	return exitFailed
}

// outputs are the values of --output.
var outputs = []string{"table", "json"}

// begin is called when the command line is understood, before the command
// runs: until then every error is wrong usage.
func (a *app) begin() error {
	if !slices.Contains(outputs, a.output) {
		return fmt.Errorf("--output: %q is not one of: table, json", a.output)
	}
	a.begun = true
	return nil
}

// usageError is wrong usage that a command notices by itself.
type usageError struct{ error }

func wrongUsage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// printError writes err to standard error, one line for each error joined.
func (a *app) printError(err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(a.stderr, "daybook: %s\n", strings.TrimSuffix(line, "\n"))
	}
}

func usageLine(cmd *cobra.Command) string { return "Usage: " + cmd.UseLine() }

// json reports whether the command prints JSON, one object per line.
func (a *app) json() bool { return a.output == "json" }

// hint writes a line for people to standard error, when one is looking.
func (a *app) hint(format string, args ...any) {
	if a.stderrIsTerminal {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// config loads the configuration from flags, environment and file.
func (a *app) config() (serve.Config, serve.Origins, error) {
	return serve.Load(*a.inputs())
}

// inputs is where the configuration comes from.
func (a *app) inputs() *serve.Inputs {
	return &serve.Inputs{File: a.file, Flags: a.given, Env: a.env}
}

// place is the configuration as far as it says where the gateway and its data
// are. The destinations are passed over: whoever asks a gateway need not have its
// secrets.
func (a *app) place() (serve.Config, error) {
	c, _, err := serve.Load(serve.Inputs{File: a.file, Flags: a.given, Env: a.env, NoDestinations: true})
	return c, err
}

// gatewayURL is where events are sent: --gateway, DAYBOOK_GATEWAY, or the
// ingest address of the configuration.
func (a *app) gatewayURL() (string, error) {
	if url := cmp.Or(a.gateway, a.getenv("DAYBOOK_GATEWAY")); url != "" {
		return strings.TrimRight(url, "/"), nil
	}
	c, err := a.place()
	return c.Ingest.URL(), err
}

// gatewayKey proves who is calling: --key or DAYBOOK_KEY. Empty means nothing.
func (a *app) gatewayKey() string { return cmp.Or(a.key, a.getenv("DAYBOOK_KEY")) }

// operationsURL is where tail and the other reading commands ask, and the
// token to show there. Routes such as /v1/tail follow the URL.
func (a *app) operationsURL() (url, token string, err error) {
	c, err := a.place()
	if err != nil {
		return "", "", err
	}
	token = string(cmp.Or(c.Operations.Token, c.Operations.ReadToken))
	if c.Operations.Listen != serve.OnIngest {
		return c.Operations.URL(), token, nil
	}
	url, err = a.gatewayURL()
	return url + "/-", token, err
}

func (a *app) getenv(name string) string {
	value, _ := a.env(name)
	return value
}
