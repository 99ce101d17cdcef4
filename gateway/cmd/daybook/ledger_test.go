package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/ledger"
	"daybook.dev/gateway/internal/operations"
	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
)

// A desk is what a gateway knows of what it received: a real journal, ledger and
// tracer behind a real listener.
type desk struct {
	t        *testing.T
	journal  *journal.Journal
	ledger   *ledger.Ledger
	unstored query.Unstored

	destinations []ledger.Destination
	steps        []query.Step
	console      *console
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, destinations: []ledger.Destination{}}
	data := t.TempDir()
	var err error
	if d.journal, err = journal.Open(t.Context(), journal.Options{Dir: data}); err != nil {
		t.Fatal(err)
	}
	d.ledger = ledger.Open(ledger.Options{Store: d.journal, Destinations: func() []ledger.Destination { return d.destinations }})
	for d.ledger.Report().Counting {
		runtime.Gosched() // there is nothing to count, and soon it knows
	}
	server := httptest.NewServer(operations.New(operations.Options{
		Metrics: http.NotFoundHandler(), Guard: operations.Guard{Host: "127.0.0.1"}, Ledger: d.ledger,
		Traces: &query.Tracer{Events: d.journal, Durability: daybook.Fsynced, Scopes: d.ledger.Callers, Unstored: &d.unstored, Deliveries: d},
	}))
	t.Cleanup(func() {
		server.Close()
		_ = d.ledger.Close(context.Background())
		_ = d.journal.Close(context.Background())
	})
	d.console = newConsole(t, map[string]string{"DAYBOOK_OPERATIONS_LISTEN": strings.TrimPrefix(server.URL, "http://"), "DAYBOOK_DATA": data})
	return d
}

// Steps implements [query.Deliveries].
func (d *desk) Steps(store.Position, *store.Record) []query.Step { return d.steps }

// receive stores an event and counts it, and as many outcomes besides.
func (d *desk) receive(caller, id string, others ...daybook.Outcome) {
	d.t.Helper()
	_, err := d.journal.Append(d.t.Context(), []store.Record{{
		Kind: store.KindEvent, Caller: caller, Protocol: "http", Instance: "here", Received: morning,
		Event: daybook.Event{ID: id, Name: "login", Time: morning, Metadata: []byte(`{"n":1.50}`)},
	}})
	if err != nil {
		d.t.Fatal(err)
	}
	outcomes := slices.Concat(others, []daybook.Outcome{{ID: id, Status: daybook.Stored}})
	d.ledger.Observe(caller, outcomes)
	d.unstored.Observe(caller, "http", outcomes)
}

func (d *desk) runs(line string, status int, stdout, stderr string) {
	d.t.Helper()
	o := &office{t: d.t, console: d.console}
	o.runs(line, status, stdout, stderr)
}

func TestTheLedgerIsPrinted(t *testing.T) {
	d := newDesk(t)
	d.runs("ledger", 0, "", "")
	d.receive("checkout", "e-1", daybook.Outcome{Status: daybook.Refused}, daybook.Outcome{Status: daybook.Duplicate})
	d.runs("ledger", 0, ""+
		"CALLER    RECEIVED  STORED  DUPLICATE  DROPPED  REFUSED  FAILED\n"+
		"checkout         3       1          1        0        1       0\n"+
		"\nin balance\n", "")
	d.receive("cart", "e-1")
	d.ledger.Observe("cart", []daybook.Outcome{{Status: daybook.Dropped}, {Status: daybook.Failed}})
	d.destinations = []ledger.Destination{{Destination: "hook", Stored: 1234567, Delivered: 1234560, Queued: 4, Dead: 1, Filtered: 1, Evicted: 1}}
	d.runs("ledger", 0, ""+
		"CALLER    RECEIVED  STORED  DUPLICATE  DROPPED  REFUSED  FAILED\n"+
		"cart             3       1          0        1        0       1\n"+
		"checkout         3       1          1        0        1       0\n"+
		"total            6       2          1        1        1       1\n"+
		"\n"+
		"DESTINATION   STORED  DELIVERED  QUEUED  DEAD  FILTERED  EVICTED\n"+
		"hook         1234567    1234560       4     1         1        1\n"+
		"\nin balance\n", "")
	d.runs("ledger -o json", 0, ""+
		`{"caller":"cart","received":3,"stored":1,"duplicate":0,"dropped":1,"refused":0,"failed":1}`+"\n"+
		`{"caller":"checkout","received":3,"stored":1,"duplicate":1,"dropped":0,"refused":1,"failed":0}`+"\n"+
		`{"destination":"hook","stored":1234567,"delivered":1234560,"queued":4,"dead":1,"filtered":1,"evicted":1}`+"\n", "")
}

func TestALedgerOutOfBalanceIsAProblem(t *testing.T) {
	d := newDesk(t)
	d.destinations = []ledger.Destination{{Destination: "hook", Stored: 3}}
	d.runs("ledger -o json", 1, `{"destination":"hook","stored":3,"delivered":0,"queued":0,"dead":0,"filtered":0,"evicted":0}`+"\n",
		"daybook: out of balance by 3 events: that is a mistake in Daybook")
}

func TestATraceIsAStory(t *testing.T) {
	d := newDesk(t)
	d.steps = []query.Step{
		{Step: query.StepDelivery, Destination: "stream", Outcome: query.OutcomeDelivered},
		{At: morning.Add(time.Second), Step: query.StepDelivery, Destination: "hook", Attempt: 3, Outcome: query.OutcomeDead, Reason: "gone", Detail: "410\n"},
	}
	d.receive("checkout", "e-1")
	story := "" +
		"2026-01-31T12:00:00.000Z  received  -       accepted   over http, by here\n" +
		"-                         stored    -       fsync      position 1\n" +
		"-                         delivery  stream  delivered  \n" +
		`2026-01-31T12:00:01.000Z  delivery  hook    dead       attempt 3, gone, 410\n` + "\n"
	d.runs("trace e-1", 0, "e-1  login  from checkout: found\n"+story, "")
	row := `{"event_id":"e-1","event_name":"login","event_type":null,"actor_id":null,"event_ts":"2026-01-31T12:00:00Z",` +
		`"ingested_at":"2026-01-31T12:00:00Z","caller":"checkout","protocol":"http","instance":"here","metadata":{"n":1.50}}` + "\n"
	d.runs("trace e-1 --full --caller checkout", 0, "e-1  login  from checkout: found\n"+row+story, "")
	d.steps = d.steps[1:]
	steps := `{"at":"2026-01-31T12:00:00Z","step":"received","destination":null,"attempt":null,"outcome":"accepted","reason":null,"detail":"over http, by here","caller":"checkout"}` + "\n" +
		`{"at":null,"step":"stored","destination":null,"attempt":null,"outcome":"fsync","reason":null,"detail":"position 1","caller":"checkout"}` + "\n" +
		`{"at":"2026-01-31T12:00:01Z","step":"delivery","destination":"hook","attempt":3,"outcome":"dead","reason":"gone","detail":"410\n","caller":"checkout"}` + "\n"
	d.runs("trace e-1 -o json", 0, steps, "")
	d.runs("trace e-1 -o json --full", 0, row+steps, "")

	d.steps = nil
	d.receive("cart", "e-1")
	d.runs("trace e-1", 0, ""+
		"e-1  login  from cart: found\n"+
		"2026-01-31T12:00:00.000Z  received  -  accepted  over http, by here\n"+
		"-                         stored    -  fsync     position 2\n"+
		"\n"+
		"e-1  login  from checkout: found\n"+
		"2026-01-31T12:00:00.000Z  received  -  accepted  over http, by here\n"+
		"-                         stored    -  fsync     position 1\n", "")
}

func TestATraceThatFindsNothingSaysWhatToDo(t *testing.T) {
	d := newDesk(t)
	d.receive("checkout", "a/b", daybook.Outcome{ID: "no\x1b", Status: daybook.Refused, Reason: "blank_name", Err: &daybook.Error{Message: "event_name is blank"}})
	d.runs("trace a/b --caller checkout", 0, ""+
		"a/b  login  from checkout: found\n"+
		"2026-01-31T12:00:00.000Z  received  -  accepted  over http, by here\n"+
		"-                         stored    -  fsync     position 1\n", "")
	d.runs("trace e-7", 1, "", "daybook: never received here")
	d.runs("trace e-7 -o json", 1, "", "daybook: never received here")
	for _, id := range []string{".", "..", "a//b", "/a", "a/", "%2F", "?", "a b"} {
		if got := d.console.run("trace", id); got != 1 || !strings.Contains(d.console.stderr.String(), "never received here") {
			t.Errorf("%q: %d, %s", id, got, d.console.stderr.String())
		}
	}
	if got := d.console.run("trace", "no\x1b"); got != 1 || !strings.HasPrefix(d.console.stdout.String(), `no\x1b  -  from checkout: refused`+"\n") ||
		!strings.Contains(d.console.stdout.String(), "blank_name, over http: event_name is blank") ||
		d.console.stderr.String() != `daybook: no\x1b: it was received and refused; correct it and send it again`+"\n" {
		t.Errorf("%d\n%s\n%s", got, d.console.stdout.String(), d.console.stderr.String())
	}
	d.runs("trace", 2, "", "accepts 1 arg")
	if got := d.console.run("trace", ""); got != 2 {
		t.Errorf("an empty id: %d", got)
	}
}
