package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/script against real processes. Besides the
// commands of testscript a script has
//
//	serve [FLAG]...       start a gateway, by default on ports of the script's own and ./data,
//	                      and point the other commands at it
//	stop, crash           end it with SIGTERM, which must succeed, or with SIGKILL
//	exits STATUS CMD...   run a command and require its exit status
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			s := &scriptGateway{dir: e.WorkDir, ingest: place(t), operations: place(t)}
			e.Values[scriptKey{}] = s
			e.Setenv(raceVariable, os.Getenv(raceVariable)) // of the environment a script has only what it is given
			e.Defer(s.kill)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(scriptOf(ts).serve(ts, args)) },
			"stop":  func(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(scriptOf(ts).running.stop()) },
			"crash": func(ts *testscript.TestScript, _ bool, _ []string) { scriptOf(ts).kill() },
			"exits": func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(exits(ts, args)) },
		},
	})
}

type scriptKey struct{}

func scriptOf(ts *testscript.TestScript) *scriptGateway {
	return ts.Value(scriptKey{}).(*scriptGateway)
}

// A scriptGateway is the gateway of one script.
type scriptGateway struct {
	dir                string
	ingest, operations string
	running            *process
}

func (s *scriptGateway) serve(ts *testscript.TestScript, args []string) error {
	s.kill()
	args = append([]string{"--data", "data", "--ingest-listen", s.ingest, "--operations-listen", s.operations}, args...)
	p, err := startGateway(s.dir, nil, args...)
	if err != nil {
		return err
	}
	s.running = p
	ts.Setenv("INGEST", p.ingest)
	ts.Setenv("OPERATIONS", p.operations)
	ts.Setenv("DAYBOOK_GATEWAY", "http://"+p.ingest)
	ts.Setenv("DAYBOOK_OPERATIONS_LISTEN", p.operations)
	return nil
}

func (s *scriptGateway) kill() {
	if s.running != nil {
		s.running.kill()
	}
}

// exits runs a command and requires its exit status.
func exits(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("exits needs a status and a command")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			return err
		}
		got = failed.ExitCode()
	}
	if got != want {
		return fmt.Errorf("exit status %d, want %d", got, want)
	}
	return nil
}
