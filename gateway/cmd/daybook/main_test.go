package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the daybook command as well: it behaves as
// one when it is called by that name. Scripts and tests thereby drive real
// processes, built with whatever the tests are built with.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"daybook": main})
}
