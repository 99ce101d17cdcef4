package serve

import (
	"bytes"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/store"
)

func TestEveryStepOfACallHasTheNameOfTheContract(t *testing.T) {
	blank := &daybook.Error{Code: daybook.Invalid, Field: "event_name", Reason: "blank_name", Message: "canary"}
	full := &daybook.Error{Code: daybook.Exhausted, Reason: "disk_full"}
	unforwarded := &daybook.Error{Code: daybook.Unavailable, Reason: "forward_failed"}
	for name, test := range map[string]struct {
		outcome       daybook.Outcome
		info, success string // the lines at info, and those besides when successes are raised
	}{
		"stored":        {daybook.Outcome{ID: "e", Status: daybook.Stored}, "", "request_accepted write_succeeded"},
		"not forwarded": {daybook.Outcome{ID: "e", Status: daybook.Stored, Err: unforwarded}, "", "request_accepted write_succeeded"},
		"dropped":       {daybook.Outcome{ID: "e", Status: daybook.Dropped}, "", "request_accepted"},
		"refused":       {daybook.Outcome{Status: daybook.Refused, Err: blank}, "request_rejected", "request_rejected"},
		"failed":        {daybook.Outcome{ID: "e", Status: daybook.Failed, Err: full}, "write_failed", "request_accepted write_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			for events, want := range map[string]string{"debug": test.info, "all": test.success} {
				var text bytes.Buffer
				l := newEventLog(slog.New(slog.NewTextHandler(&text, nil)), Log{Events: events})
				l.observe(accept.Batch{Protocol: "logevent"}, []daybook.Outcome{test.outcome})
				l.observe(accept.Batch{Protocol: "http"}, []daybook.Outcome{test.outcome})
				if got := names(text.String()); got != want {
					t.Errorf("log.events %s: %q, want %q", events, got, want)
				}
				if strings.Contains(text.String(), "canary") {
					t.Errorf("a message for the caller is in the log: %s", &text)
				}
			}
		})
	}
}

func TestForwardingHasItsLines(t *testing.T) {
	var text bytes.Buffer
	l := newEventLog(slog.New(slog.NewTextHandler(&text, nil)), Log{Events: "all"})
	r := &store.Record{Caller: "anonymous", Event: daybook.Event{ID: "e", Metadata: []byte(`{"canary":1}`)}}
	l.forwarded(r, "statsig", nil)
	l.forwarded(r, "statsig", errors.New("down"))
	if got := names(text.String()); got != "forward_succeeded forward_failed" {
		t.Errorf("lines %q", got)
	}
	if strings.Contains(text.String(), "canary") || !strings.Contains(text.String(), "destination=statsig") {
		t.Errorf("the log is %s", &text)
	}
}

// names lists the names of the lines without what they share.
func names(text string) string {
	var list []string
	for _, m := range regexp.MustCompile(`msg=events\.log_event\.(\w+)`).FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return strings.Join(list, " ")
}

func TestLinesWaitForAHundredMillisecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w bytes.Buffer
		b := NewLogBuffer(&w)
		written := func() string {
			b.mu.Lock()
			defer b.mu.Unlock()
			return w.String()
		}
		_, _ = b.Write([]byte("one\n"))
		time.Sleep(99 * time.Millisecond)
		_, _ = b.Write([]byte("two\n"))
		if early := written(); early != "" {
			t.Errorf("written early: %q", early)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := written(); got != "one\ntwo\n" {
			t.Errorf("after 100 ms: %q", got)
		}
		_, _ = b.Write(make([]byte, flushAbove+1))
		if n := len(written()); n != 8+flushAbove+1 {
			t.Errorf("%d bytes written, a full buffer does not wait", n)
		}
	})
}
