package daybook_test

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/daybooktest"
)

// R30: what events say, and keys, are in no error and no line of a log.
func TestR30NothingOfAnEventIsLogged(t *testing.T) {
	const canary = "canary-7f3a"
	var mu sync.Mutex
	var lines strings.Builder
	logger := slog.New(slog.NewJSONHandler(lockedWriter{&mu, &lines}, nil))
	t.Setenv("DO_NOT_TRACK", "")
	dir := t.TempDir()
	g := daybooktest.Gateway(t, daybooktest.Answer(401), daybooktest.Answer(413), daybooktest.HangUp(), daybooktest.Garbage(), daybooktest.Answer(400))
	c, err := daybook.Open(daybook.Config{
		Gateway: g.URL, Key: canary, Logger: logger, Spool: daybook.SpoolOptions{Dir: dir}, CloseWithin: 100 * time.Millisecond,
		Retry: daybook.RetryOptions{Min: time.Millisecond, Max: time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	var errs []error
	for range 20 {
		c.Record(t.Context(), daybook.Log, "a", slog.String("secret", canary), slog.Any("f", func() {}))
		errs = append(errs,
			c.RecordRaw(t.Context(), map[string]any{"event_id": canary, "event_time": canary, "event_type": canary, "event_name": canary}),
			c.RecordJSON(t.Context(), []byte(`{"`+canary+`":`)),
			c.Enqueue(t.Context(), daybook.Event{Name: " ", Actor: canary}),
			c.Flush(t.Context()))
	}
	errs = append(errs, c.Close(t.Context()))
	for _, err := range errs {
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("an error has it: %v", err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if lines.Len() == 0 {
		t.Error("nothing was logged at all")
	}
	if strings.Contains(lines.String(), canary) {
		t.Errorf("the log has it: %s", lines.String())
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *strings.Builder
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}
