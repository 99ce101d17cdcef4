package sinktest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/internal/need"
	"daybook.dev/sink/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

func bad(e daybook.Event) daybook.Event {
	e.Type = "bad"
	return e
}

// full is everything a sink can promise, least is as little as it may.
var (
	full  = sinktest.Traits{Ordered: true, Deduplicates: true, Partial: true, ExactNumbers: true, Bad: bad}
	least = sinktest.Traits{AtLeastOnce: true, Bad: bad}
)

func TestASinkThatKeepsItsPromisesPasses(t *testing.T) {
	t.Run("all of them", func(t *testing.T) { sinktest.Run(t, openMemory("", false), full) })
	t.Run("only what everybody promises", func(t *testing.T) { sinktest.Run(t, openMemory("", true), least) })
}

// flaws are ways to break a promise, each with the test that finds it.
var flaws = []struct {
	flaw  string
	found string
}{
	{"keeps the memory", "what is written arrives complete"},
	{"loses the last", "what is written arrives complete"},
	{"takes twice", "what is written arrives complete"},
	{"cuts", "an event of the largest size arrives"},
	{"refuses nothing to do", "an empty Write is no error and nothing arrives"},
	{"loses the last", "Writes at the same time all arrive"},
	{"turns round", "events of one Write arrive in order"},
	{"rounds", "numbers arrive as they were written"},
	{"ignores the scope", "one id of two scopes is two events"},
	{"keeps copies", "an event written again arrives once"},
	{"keeps copies", "an event twice in one Write arrives once"},
	{"last wins", "of two contents with one id the first stays"},
	{"names nobody", "a bad event among good ones is named, and the others arrive"},
	{"names another", "a bad event among good ones is named, and the others arrive"},
	{"names a stranger", "a bad event among good ones is named, and the others arrive"},
	{"names without a reason", "a bad event among good ones is named, and the others arrive"},
	{"keeps nothing of a bad batch", "a bad event among good ones is named, and the others arrive"},
	{"takes the bad batch as passing", "a bad event fails its batch for good, and alone the others arrive"},
	{"takes after the end", "a context that has ended is an error at once"},
	{"claims", "while the destination is broken nothing is claimed, and the error is one that passes"},
	{"claims some", "while the destination is broken nothing is claimed, and the error is one that passes"},
	{"gives up", "while the destination is broken nothing is claimed, and the error is one that passes"},
	{"calls for a person", "while the destination is broken nothing is claimed, and the error is one that passes"},
	{"shows its secret", "while the destination is broken nothing is claimed, and the error is one that passes"},
	{"shows content", "while the destination is broken nothing is claimed, and the error is one that passes"},
	{"hangs on", "a Write to a destination that hangs ends with its context"},
	{"writes when closed", "after Close, Write says so and closing again is no error"},
	{"closes once", "after Close, Write says so and closing again is no error"},
	{"hangs on after close", "Close ends a Write that hangs"},
	{"closes only when mended", "Close returns within its time while the destination is broken"},
	{"leaks a goroutine", "no goroutine is left behind"},
}

const flawVariable = "SINKTEST_FLAW"

// TestFlawed is what TestABrokenPromiseIsFound runs in another process: it is
// meant to fail there.
func TestFlawed(t *testing.T) {
	flaw := os.Getenv(flawVariable)
	if flaw == "" {
		t.Skip("runs for TestABrokenPromiseIsFound")
	}
	sinktest.Grace(time.Second)
	if flaw == "takes the bad batch as passing" {
		sinktest.Run(t, openMemory(flaw, true), least)
		return
	}
	sinktest.Run(t, openMemory(flaw, false), full)
}

func TestABrokenPromiseIsFound(t *testing.T) {
	t.Parallel()
	for _, f := range flaws {
		t.Run(f.flaw+": "+f.found, func(t *testing.T) {
			t.Parallel() // another process, which mostly waits
			found := "TestFlawed/" + strings.ReplaceAll(f.found, " ", "_")
			run := exec.Command(os.Args[0], "-test.run=^TestFlawed$/^"+strings.ReplaceAll(f.found, " ", "_")+"$")
			run.Env = append(os.Environ(), flawVariable+"="+f.flaw)
			out, err := run.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: "+found) {
				t.Errorf("the suite passes a sink that %s:\n%s", f.flaw, out)
			}
		})
	}
}
