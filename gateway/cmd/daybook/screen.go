package main

import (
	"fmt"
	"strings"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/serve"
	"daybook.dev/gateway/internal/store/journal"
)

// firstScreen tells the person at the terminal what has just been started, and
// what to try.
func (a *app) firstScreen(g *serve.Gateway, c serve.Config, b serve.Build) {
	send, tail := a.repeatFlags("ingest.listen"), a.repeatFlags("operations.listen")
	if c.Operations.Listen == serve.OnIngest {
		tail = send + tail
	}
	fmt.Fprintf(a.stderr, `daybook %s

  ingest      %s   %s
  operations  %s   %s
  data        %s   %s
  delivered   %s

Try in another terminal:
  %s send%s hello plan=pro
  %s tail%s --from start

`, b.Version, g.IngestURL(), c.WhoMaySend(), g.OperationsURL(), c.WhoMayRead(), c.Data, diskLine(c.Data, g.Durability()), strings.Join(g.Config().Deliveries(), "\n              "),
		a.program, send, a.program, tail)
}

// repeatFlags returns the flag of a key as it was given, so that the commands to
// try reach this gateway.
func (a *app) repeatFlags(key string) string {
	text, given := a.given[key]
	if !given {
		return ""
	}
	return " --" + strings.ReplaceAll(key, ".", "-") + " " + text
}

// diskLine says how fast and how full the disk is. What cannot be measured is
// left out: the gateway runs.
func diskLine(dir string, d daybook.Durability) string {
	var parts []string
	if took, free, err := journal.Probe(dir); err == nil {
		parts = append(parts, "fsync "+took.Round(10*time.Microsecond).String(), serve.HumanBytes(free)+" free")
	}
	if d == daybook.InMemory {
		parts = append(parts, "in memory: events are lost with the machine")
	}
	return strings.Join(parts, ", ")
}
