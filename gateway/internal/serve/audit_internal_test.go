package serve

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
)

// audited is an audit whose clock stands still, and what it logs.
func audited() (*audit, *bytes.Buffer, *time.Time) {
	var log bytes.Buffer
	now := time.Unix(0, 0)
	a := newAudit(slog.New(slog.NewTextHandler(&log, nil)), newMetrics(Build{}))
	a.now = func() time.Time { return now }
	return a, &log, &now
}

func refusalFrom(remote string) caller.Refusal {
	return caller.Refusal{Protocol: "http", Remote: remote, Err: &daybook.Error{Code: daybook.Unauthenticated, Reason: caller.ReasonUnknown}}
}

func TestAFloodOfRefusalsIsALineAMinute(t *testing.T) {
	a, log, now := audited()
	for range 1000 {
		a.refused(refusalFrom("10.0.0.1"))
	}
	a.refused(refusalFrom("10.0.0.2"))
	if lines := strings.Count(log.String(), "\n"); lines != 2 {
		t.Errorf("%d lines, want one for each host:\n%s", lines, log)
	}
	log.Reset()
	*now = now.Add(time.Minute)
	a.refused(refusalFrom("10.0.0.1"))
	if want := `msg="requests refused for who sent them" protocol=http reason=unknown_credentials remote=10.0.0.1 times=1000`; !strings.Contains(log.String(), want) {
		t.Errorf("logged %s, want %s", log, want)
	}
}

func TestManyHostsFillNeitherTheMemoryNorTheLog(t *testing.T) {
	a, log, now := audited()
	for i := range 100_000 {
		a.refused(refusalFrom(fmt.Sprintf("2001:db8::%x", i)))
	}
	if lines := strings.Count(log.String(), "\n"); lines > maxKinds+1 || len(a.kinds) > maxKinds+1 {
		t.Errorf("%d lines, %d kinds", lines, len(a.kinds))
	}
	if !strings.Contains(log.String(), "remote=elsewhere") {
		t.Error("nothing says that there were others")
	}
	// Those that were written about and are over make room for others.
	*now = now.Add(2 * time.Minute)
	a.refused(refusalFrom("10.0.0.9"))
	if !strings.Contains(log.String(), "remote=10.0.0.9") {
		t.Error("an hour later a new host is still no host of its own")
	}
}
