package daybook_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"daybook.dev"
)

// TestAGatewayIsToldOnceWhatWasDropped: again with each attempt until it has taken
// a request, and also one of which it refuses an event.
func TestAGatewayIsToldOnceWhatWasDropped(t *testing.T) {
	half := func(w http.ResponseWriter, events []map[string]any) {
		fmt.Fprintf(w, `{"durability":"fsync","results":[{"index":0,"event_id":%q,"status":"stored"},{"index":1,"event_id":%q,"status":"refused","code":"invalid"}]}`,
			events[0]["event_id"], events[1]["event_id"])
	}
	g := newFakeGateway(t, answers(http.StatusServiceUnavailable, ""), half, stored)
	quiet := daybook.StaticSettings(daybook.Settings{Sampling: map[string]daybook.SampleRule{"noise": {Rate: 0}}})
	c := open(t, daybook.Config{Gateway: g.URL, Settings: quiet, Batch: daybook.BatchOptions{Events: 2, Age: time.Hour}, Retry: daybook.RetryOptions{Min: time.Millisecond}})
	reports := func() (all []string) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, r := range g.requests {
			all = append(all, r.header.Get("Daybook-Client-Report"))
		}
		return all
	}
	record(t, c, "noise", "a", "b")
	eventually(t, "the second attempt is made", func() bool { return len(reports()) == 2 && c.Stats().Queued == 0 })
	record(t, c, "c", "d")
	eventually(t, "the next batch is delivered", func() bool { return c.Stats().Delivered == 3 })
	if got := fmt.Sprint(reports()); got != "[sampled=1 sampled=1 refused=1]" {
		t.Errorf("reported %s", got)
	}
}
