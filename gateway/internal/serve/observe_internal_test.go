package serve

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
)

func TestTheLogSaysOnceThatStoringFailsAndOnceThatItWorksAgain(t *testing.T) {
	var text bytes.Buffer
	l := newBatchLog(slog.New(slog.NewTextHandler(&text, nil)), Log{Events: "debug"})
	failed := []daybook.Outcome{{Status: daybook.Failed, Err: errors.New("disk full")}}
	refused := []daybook.Outcome{{Status: daybook.Refused}}
	stored := []daybook.Outcome{{Status: daybook.Stored}}
	for _, outcomes := range [][]daybook.Outcome{stored, failed, failed, refused, failed, stored, stored} {
		l.observe(accept.Batch{}, outcomes)
	}
	if n := strings.Count(text.String(), "\n"); n != 3 ||
		!strings.Contains(text.String(), `err="disk full"`) || !strings.Contains(text.String(), "stored again") {
		t.Errorf("%d lines, want 3, one of them for the batch with a refusal:\n%s", n, &text)
	}
}

func TestABatchInWhichSomethingIsRefusedHasALine(t *testing.T) {
	var text bytes.Buffer
	l := newBatchLog(slog.New(slog.NewTextHandler(&text, nil)), Log{Events: "debug"})
	l.observe(accept.Batch{Protocol: "http"}, []daybook.Outcome{{Status: daybook.Stored}, {Status: daybook.Refused}})
	if !strings.Contains(text.String(), "stored=1 refused=1") {
		t.Errorf("the line is %q", &text)
	}
}

func TestTheLineOfABatchIsRaisedByLogEvents(t *testing.T) {
	for events, want := range map[string]int{"debug": 0, "all": 1} {
		var text bytes.Buffer
		l := newBatchLog(slog.New(slog.NewTextHandler(&text, nil)), Log{Events: events})
		l.observe(accept.Batch{Protocol: "http"}, []daybook.Outcome{{Status: daybook.Stored}})
		if got := strings.Count(text.String(), "events received"); got != want {
			t.Errorf("log.events %s: %d lines, want %d", events, got, want)
		}
	}
}
