package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the daybook command as well: it behaves as
// one when it is called by that name. Scripts and tests thereby drive real
// processes, built with whatever the tests are built with.
func TestMain(m *testing.M) {
	if _, set := os.LookupEnv(raceVariable); !set {
		if err := os.Setenv(raceVariable, raceOptions); err != nil {
			panic(err) // only for a name that is none
		}
	}
	testscript.Main(m, map[string]func(){"daybook": main})
}

// What the race detector, where there is one, is told by these tests about the
// processes they start. Its own choice is that each sleeps for a second before it
// ends, for the sake of goroutines that main does not wait for. Ours are waited
// for, and there are some hundreds of processes.
const (
	raceVariable = "GORACE"
	raceOptions  = "atexit_sleep_ms=0"
)
