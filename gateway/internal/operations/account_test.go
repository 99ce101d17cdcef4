package operations_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"daybook.dev"
	"daybook.dev/gateway/internal/ledger"
	"daybook.dev/gateway/internal/operations"
	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/internal/wal/waltest"
)

// accounts calls use with the routes of a gateway that has stored one event, and
// refused one.
func accounts(t *testing.T, use func(t *testing.T, h http.Handler)) {
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.Open(t.Context(), journal.Options{Dir: "/data", FS: waltest.NewDisk(1)})
		if err != nil {
			t.Fatal(err)
		}
		l := ledger.Open(ledger.Options{Store: j})
		receipts, err := j.Append(t.Context(), []store.Record{{
			Kind:   store.KindEvent,
			Event:  daybook.Event{ID: "e/1", Name: "login", Time: noon, Metadata: []byte(`{"secret":1}`)},
			Caller: "checkout", Protocol: "http", Instance: "here", Received: noon,
		}})
		if err != nil || receipts[0].Status != daybook.Stored {
			t.Fatal(receipts, err)
		}
		outcomes := []daybook.Outcome{{ID: "e/1", Status: daybook.Stored}, {ID: "no", Status: daybook.Refused, Reason: "blank_name"}}
		l.Observe("checkout", outcomes)
		unstored := &query.Unstored{}
		unstored.Observe("checkout", "http", outcomes)
		synctest.Wait()
		use(t, operations.New(operations.Options{
			Metrics: metrics, Ledger: l,
			Traces: &query.Tracer{Events: j, Durability: daybook.Fsynced, Scopes: l.Callers, Unstored: unstored},
		}))
		_ = l.Close(context.Background())
		_ = j.Close(context.Background())
	})
}

func TestTheLedgerIsAnAnswer(t *testing.T) {
	accounts(t, func(t *testing.T, h http.Handler) {
		w := get(h, "/v1/ledger", "localhost")
		want := `{"callers":[{"caller":"checkout","received":2,"stored":1,"duplicate":0,"dropped":0,"refused":1,"failed":0}],"destinations":[],"counting":false,"imbalance":0}` + "\n"
		if w.Code != 200 || w.Body.String() != want {
			t.Errorf("%d %s\nwant %s", w.Code, w.Body, want)
		}
	})
}

func TestATraceIsAnAnswer(t *testing.T) {
	accounts(t, func(t *testing.T, h http.Handler) {
		for path, want := range map[string]struct {
			status int
			text   string
		}{
			"/v1/events?id=e/1":                   {200, `{"event_id":"e/1","answer":"found","message":"stored here","events":[{"answer":"found","caller":"checkout","event_name":"login","position":1,"steps":[{"at":"2026-01-31T12:00:00Z","step":"received",`},
			"/v1/events/e%2F1":                    {200, `"answer":"found"`},
			"/v1/events?id=e%2F1&caller=checkout": {200, `"answer":"found"`},
			"/v1/events?id=e%2F1&caller=other":    {404, `{"code":"not_found","message":"never received here`},
			"/v1/events/no":                       {200, `"answer":"refused"`},
			"/v1/events/nobody":                   {404, `{"code":"not_found","message":"never received here`},
			"/v1/events":                          {400, `{"code":"invalid","message":"id: which event?`},
			"/v1/events/":                         {400, `{"code":"invalid","message":"id: which event?`},
			"/v1/events/e?calller=x":              {400, `calller: there is no such parameter; there are id, caller, full`},
			"/v1/events/e?full=perhaps":           {400, `full: \"perhaps\" is neither true nor false`},
			"/v1/events?id=e%2F1&full=true":       {200, `"row":{"event_id":"e/1","event_name":"login",`},
		} {
			w := get(h, path, "localhost")
			if w.Code != want.status || !strings.Contains(w.Body.String(), want.text) {
				t.Errorf("%s: %d %s\nwant %d %s", path, w.Code, w.Body, want.status, want.text)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: %s is no JSON", path, w.Body)
			}
			if shown := strings.Contains(w.Body.String(), "secret"); shown != strings.Contains(path, "full=true") {
				t.Errorf("%s: metadata shown: %v", path, shown)
			}
		}
	})
}

func TestWithADirectStoreThereIsNoAccount(t *testing.T) {
	h := operations.New(operations.Options{Metrics: metrics, Direct: "spanner"})
	for path, what := range map[string]string{"/v1/ledger": "the ledger is", "/v1/events": "traces are", "/v1/events/x": "traces are"} {
		w := get(h, path, "localhost")
		if want := `{"code":"unimplemented","message":"` + what + ` not available with store: spanner"}` + "\n"; w.Code != http.StatusNotImplemented || w.Body.String() != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
