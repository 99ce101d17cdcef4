package serve_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestADestinationThatIsSwitchedOffGetsWhatIsDueLater: nothing is written there and
// nobody waits for it; nothing is lost.
func TestADestinationThatIsSwitchedOffGetsWhatIsDueLater(t *testing.T) {
	var got atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { got.Add(1) }))
	defer receiver.Close()
	destination := "destinations: {hook: {type: webhook, url: '" + receiver.URL + "', allow_private: true, wait: true, batch: {age: 10ms}}}\n"
	f := &fileOf{text: destination + "kill: {destinations: [hook]}\n"}
	g := startFrom(t, f, nil)

	g.requireOutcomes(`{"event_id":"1","event_name":"a"}`, "stored")
	status, body := g.do("POST", g.IngestURL()+"/events.v1.EventLoggingService/LogEvent", `{"eventId":"2","eventName":"a"}`, "Content-Type", "application/json")
	if status != 200 {
		t.Errorf("LogEvent, whose callers wait for it: %d %s", status, body)
	}
	g.until(g.OperationsURL()+"/metrics", func(_ int, metrics string) bool {
		return strings.Contains(metrics, `daybook_destination_queued_events{destination="hook"} 2`)
	})
	if got.Load() != 0 {
		t.Errorf("%d requests reached it", got.Load())
	}

	f.set(destination)
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	g.until(g.OperationsURL()+"/metrics", func(_ int, metrics string) bool {
		return strings.Contains(metrics, `daybook_destination_queued_events{destination="hook"} 0`)
	})
	if got.Load() == 0 {
		t.Error("it is not queued any more, and nothing has reached it")
	}
	if _, ledger := g.do("GET", g.OperationsURL()+"/v1/ledger", ""); !strings.Contains(ledger, `"destination":"hook","stored":2,"delivered":2,"queued":0,"dead":0,"filtered":0,"evicted":0`) {
		t.Errorf("the ledger is %s", ledger)
	}
}
