package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/operations"
	"daybook.dev/gateway/internal/replay"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
)

// An office is what a gateway does about events that were not delivered: a real
// journal, dead letters and replays behind a real listener, and a destination
// that does what it is told.
type office struct {
	t       *testing.T
	data    string
	journal *journal.Journal
	server  *httptest.Server
	console *console

	mu    sync.Mutex
	says  func(events []daybook.Event) error // guarded by mu; nil = takes them
	taken []string                           // guarded by mu
}

// say makes the destination answer with what f returns, or take everything.
func (o *office) say(f func(events []daybook.Event) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.says = f
}

func (o *office) write(_ context.Context, _ string, events []daybook.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.says != nil {
		if err := o.says(events); err != nil {
			return err
		}
	}
	for _, e := range events {
		o.taken = append(o.taken, e.ID)
	}
	return nil
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, data: t.TempDir()}
	var err error
	if o.journal, err = journal.Open(t.Context(), journal.Options{Dir: o.data}); err != nil {
		t.Fatal(err)
	}
	token, err := operations.TokenFile(o.data)
	if err != nil {
		t.Fatal(err)
	}
	index := deadletter.Open(deadletter.Options{Data: o.data, Source: o.journal, Write: o.write})
	replays, err := replay.Open(replay.Options{
		Data: o.data, Source: o.journal, Write: o.write, Destinations: []string{"kafka"},
		Compile: func(x string) (func(*store.Record) bool, error) {
			if strings.Contains(x, " ") {
				return nil, errors.New("column 3: no operator")
			}
			return func(r *store.Record) bool { return r.Event.ID == x }, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); replays.Run(ctx) }()
	o.server = httptest.NewServer(operations.New(operations.Options{
		Events: o.journal, DeadLetters: index, Replays: replays, Metrics: http.NotFoundHandler(), Guard: operations.Guard{Host: "127.0.0.1", Changes: token},
	}))
	t.Cleanup(func() {
		o.server.Close()
		stop()
		<-ended
		_ = o.journal.Close(context.Background())
	})
	o.console = newConsole(t, map[string]string{
		"DAYBOOK_OPERATIONS_LISTEN": strings.TrimPrefix(o.server.URL, "http://"), "DAYBOOK_DATA": o.data,
	})
	return o
}

var morning = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// fill stores the events e0, e1 and so on, and a dead letter of kafka for each.
func (o *office) fill(n int) {
	o.t.Helper()
	for i := range n {
		r := store.Record{
			Kind: store.KindEvent, Caller: "checkout", Protocol: "http", Received: morning.Add(time.Duration(i) * time.Minute),
			Event: daybook.Event{ID: fmt.Sprint("e", i), Name: "login", Time: morning, Metadata: []byte(`{"n":1.50}`)},
		}
		receipts, err := o.journal.Append(o.t.Context(), []store.Record{r})
		if err != nil {
			o.t.Fatal(err)
		}
		r.Kind, r.Refusal = store.KindRefused, &store.Refusal{
			Destination: "kafka", Position: receipts[0].Position, Attempts: 1, Code: daybook.TooLarge, Reason: "message_too_large", Message: "the message is\ntoo large",
		}
		if _, err := o.journal.Append(o.t.Context(), []store.Record{r}); err != nil {
			o.t.Fatal(err)
		}
	}
}

// runs runs a command line and requires its exit status and what it prints.
func (o *office) runs(line string, status int, stdout, stderr string) {
	o.t.Helper()
	got := o.console.run(strings.Fields(line)...)
	if got != status || o.console.stdout.String() != stdout || !strings.Contains(o.console.stderr.String(), stderr) || stderr == "" && o.console.stderr.Len() > 0 {
		o.t.Errorf("%s: exit status %d, want %d\nprinted %q\n   want %q\nand on stderr %q\n want %q",
			line, got, status, o.console.stdout.String(), stdout, o.console.stderr.String(), stderr)
	}
}

const letterE0 = `{"position":1,"destination":"kafka","record":2,"event_id":"e0","event_name":"login","caller":"checkout","ingested_at":"2026-01-31T12:00:00Z",` +
	`"attempts":1,"code":"too_large","reason":"message_too_large","field":null,"message":"the message is\ntoo large"`

func TestDeadLettersAreListed(t *testing.T) {
	o := newOffice(t)
	o.runs("deadletters list", 0, "", "")
	o.fill(2)
	o.runs("deadletters list", 0, ""+
		"POSITION  DESTINATION  REASON             ATTEMPTS  RECEIVED              CALLER    EVENT  ID\n"+
		"3         kafka        message_too_large  1         2026-01-31T12:01:00Z  checkout  login  e1\n"+
		"1         kafka        message_too_large  1         2026-01-31T12:00:00Z  checkout  login  e0\n", "")
	o.runs("deadletters list -o json --until 2026-01-31T12:01:00Z --destination kafka --reason message_too_large --code too_large --caller checkout --event-name login --event-id e0 -n 5",
		0, letterE0+"}\n", "")
	o.runs("deadletters list --since 1h", 0, "", "")
	o.runs("deadletters list --own", 0, "", "")
}

func TestADeadLetterIsShownWithItsEvent(t *testing.T) {
	o := newOffice(t)
	o.fill(1)
	row := `{"event_id":"e0","event_name":"login","event_type":null,"actor_id":null,"event_ts":"2026-01-31T12:00:00Z",` +
		`"ingested_at":"2026-01-31T12:00:00Z","caller":"checkout","protocol":"http","instance":null,"metadata":{"n":1.50}}`
	o.runs("deadletters show 1 -o json", 0, letterE0+`,"event":`+row+"}\n", "")
	o.runs("deadletters show 1 --destination kafka", 0, ""+
		"position     1\n"+
		"destination  kafka\n"+
		"reason       message_too_large (too_large)\n"+
		`message      the message is\ntoo large`+"\n"+
		"attempts     1\n"+
		"event id     e0\n"+
		"event name   login\n"+
		"caller       checkout\n"+
		"received     2026-01-31T12:00:00Z\n"+
		"event        "+row+"\n", "")
	o.runs("deadletters show 7", 1, "", "daybook: there is no dead letter of position 7\n")
}

func TestDeadLettersAreRetried(t *testing.T) {
	o := newOffice(t)
	o.fill(3)
	o.say(func([]daybook.Event) error {
		return &daybook.PartialError{Failed: []daybook.Outcome{{ID: "e1", Err: &daybook.Error{Code: daybook.Invalid, Reason: "again", Message: "no"}}}}
	})
	o.runs("deadletters retry 1 3", 1, "failed  3  kafka  e1  again: no\n1 delivered, 1 failed\n", "")
	o.say(func([]daybook.Event) error {
		return &daybook.Error{Code: daybook.Denied, Reason: "no_right", Message: "no right"}
	})
	o.runs("deadletters retry --all -o json", 1, ""+
		`{"position":5,"destination":"kafka","event_id":"e2","result":"failed","code":"denied","reason":"no_right","message":"no right"}`+"\n"+
		`{"position":3,"destination":"kafka","event_id":"e1","result":"failed","code":"denied","reason":"no_right","message":"no right"}`+"\n"+
		`{"results":{"failed":2}}`+"\n", "")
	o.say(nil)
	o.runs("deadletters retry --destination kafka", 0, "2 delivered\n", "")
	o.runs("deadletters retry --destination kafka", 0, "no dead letter is meant by that\n", "")
	o.runs("deadletters list", 0, "", "")
}

func TestDeadLettersAreDropped(t *testing.T) {
	o := newOffice(t)
	o.fill(4)
	o.runs("deadletters drop --all --limit 1", 0, "1 dropped\n", "")
	o.runs("deadletters drop --caller checkout -o json", 0, `{"results":{"dropped":3}}`+"\n", "")
	o.runs("deadletters list", 0, "", "")
}

func TestManyDeadLettersHaveTheirTurnInSeveralCalls(t *testing.T) {
	var mu sync.Mutex // guards bodies
	var bodies []string
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, string(body))
		answers := []string{
			`{"done":1}` + "\n" + `{"summary":{"matched":25000,"remaining":15000,"last":20000,"results":{"delivered":9999,"not_kept":1}}}`,
			`{"summary":{"matched":15010,"remaining":5010,"last":40000,"results":{"delivered":10000}}}`,
			`{"summary":{"matched":5010,"remaining":10,"last":50000,"results":{"delivered":5000}}}`,
		}
		fmt.Fprintln(w, answers[len(bodies)-1])
	}))
	defer gateway.Close()
	c := newConsole(t, map[string]string{"DAYBOOK_OPERATIONS_LISTEN": strings.TrimPrefix(gateway.URL, "http://")})
	if status := c.run("deadletters", "retry", "--all"); status != 1 || c.stdout.String() != "24999 delivered, 1 not kept\n" {
		t.Errorf("exit status %d, printed %q, %q", status, c.stdout.String(), c.stderr.String())
	}
	mu.Lock()
	defer mu.Unlock()
	want := []string{`{"all":true,"limit":10000}`, `{"all":true,"after":20000,"limit":10000}`, `{"all":true,"after":40000,"limit":5000}`}
	if strings.Join(bodies, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked\n%s\nwant\n%s", strings.Join(bodies, "\n"), strings.Join(want, "\n"))
	}
}

func TestAnAnswerThatIsCutOffIsNoSuccess(t *testing.T) {
	for _, answer := range []string{"", `{"done":1}` + "\n", `{"summary":{"matched":1,`} {
		gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		c := newConsole(t, map[string]string{"DAYBOOK_OPERATIONS_LISTEN": strings.TrimPrefix(gateway.URL, "http://")})
		if status := c.run("deadletters", "drop", "--all"); status != 1 || !strings.Contains(c.stderr.String(), "the answer was cut off") || c.stdout.Len() > 0 {
			t.Errorf("after %q: exit status %d, %q, %q", answer, status, c.stdout.String(), c.stderr.String())
		}
		gateway.Close()
	}
}

func TestWhatIsWrongAboutTheCommandLineIsSaidBeforeAnythingIsAsked(t *testing.T) {
	c := newConsole(t, map[string]string{"DAYBOOK_OPERATIONS_LISTEN": "127.0.0.1:1"})
	for line, want := range map[string]string{
		"deadletters lst":                              `daybook deadletters has no command "lst"; did you mean list?`,
		"deadletters list -n 0":                        "--limit: 0 is not from 1 to 10000",
		"deadletters list --since soon":                `--since: "soon" is not a time such as 2026-01-31T12:00:00Z, or how long ago, such as 90m or 7d`,
		"deadletters show":                             "accepts 1 arg(s)",
		"deadletters show x":                           `"x" is not the position of a dead letter`,
		"deadletters retry":                            "say which dead letters are meant",
		"deadletters drop --limit 5":                   "say which dead letters are meant",
		"deadletters drop --all 3":                     "--all means every dead letter",
		"deadletters retry --all --limit -1":           "--limit: -1 is not a number of dead letters",
		"deadletters retry 0":                          `"0" is not the position`,
		"replay":                                       "Say --to NAME",
		"replay --to kafka":                            "Say --from TIME, or --from start",
		"replay --to kafka --from noon":                `--from: "noon" is not start, a time such as`,
		"replay --to kafka --from start --until later": `--until: "later" is not now, a time such as`,
		"replay --to kafka --from start --rate fast":   `--rate: "fast" is not a number of events a second, such as 500/s`,
		"replay --to kafka --from start --rate 0":      `--rate: "0" is not a number`,
		"replay cancle x":                              `daybook replay has no command "cancle"; did you mean cancel?`,
		"replay cancel":                                "accepts 1 arg(s)",
	} {
		if status := c.run(strings.Fields(line)...); status != 2 || !strings.Contains(c.stderr.String(), want) || c.stdout.Len() > 0 {
			t.Errorf("%s: exit status %d, %q, want 2 and %q", line, status, c.stderr.String(), want)
		}
	}
	for _, line := range []string{"deadletters list", "deadletters show 1", "deadletters retry --all", "replay list", "replay --to kafka --from start"} {
		if status := c.run(strings.Fields(line)...); status != 1 || !strings.Contains(c.stderr.String(), "no gateway at http://127.0.0.1:1: ") ||
			!strings.Contains(c.stderr.String(), "start one with `daybook serve`, name another with --operations-listen") {
			t.Errorf("%s: exit status %d, %q", line, status, c.stderr.String())
		}
	}
}

func TestAChangeShowsTheTokenOfTheDataDirectory(t *testing.T) {
	o := newOffice(t)
	o.fill(1)
	o.console.env["DAYBOOK_DATA"] = t.TempDir()
	o.runs("deadletters drop --all", 1, "", "daybook: changes need the operations token, also on this machine: send it as Authorization: Bearer TOKEN "+
		"(name the gateway's --data, where its token is, or set operations.token or DAYBOOK_OPERATIONS_TOKEN: operations token: stat ")
	o.runs("deadletters list -o json", 0, letterE0+"}\n", "")
	o.console.env["DAYBOOK_OPERATIONS_TOKEN"] = "another"
	o.runs("deadletters drop --all", 1, "", "(the token that was shown is another gateway's: name the gateway's --data, where its token is, or set operations.token or DAYBOOK_OPERATIONS_TOKEN)")
	token, err := os.ReadFile(filepath.Join(o.data, "operations.token"))
	if err != nil {
		t.Fatal(err)
	}
	o.console.env["DAYBOOK_OPERATIONS_TOKEN"] = strings.TrimSpace(string(token))
	o.runs("deadletters drop --all", 0, "1 dropped\n", "")
}

func TestTheTokenOfTheDataDirectoryStaysOnThisMachine(t *testing.T) {
	for address, want := range map[string]bool{
		"http://127.0.0.1:8081": true, "http://localhost:8081/-": true, "http://[::1]:8081": true,
		"http://10.0.0.1:8081": false, "https://book.example/-": false, "http://localhost.example": false, "::": false,
	} {
		if got := onThisMachine(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestAGatewayWithADirectStoreSaysWhatItCannotDo(t *testing.T) {
	server := httptest.NewServer(operations.New(operations.Options{Metrics: http.NotFoundHandler(), Direct: "warehouse"}))
	defer server.Close()
	c := newConsole(t, map[string]string{"DAYBOOK_OPERATIONS_LISTEN": strings.TrimPrefix(server.URL, "http://")})
	for line, want := range map[string]string{
		"deadletters list": "daybook: dead letters are not available with store: warehouse\n",
		"replay list":      "daybook: replays are not available with store: warehouse\n",
	} {
		if status := c.run(strings.Fields(line)...); status != 1 || c.stderr.String() != want {
			t.Errorf("%s: exit status %d, %q", line, status, c.stderr.String())
		}
	}
}

func TestDestinationsWithDeadLettersAreCompleted(t *testing.T) {
	o := newOffice(t)
	o.fill(2)
	for _, line := range []string{"deadletters list --destination", "replay --to"} {
		if status := o.console.run(append([]string{"__complete"}, append(strings.Fields(line), "")...)...); status != 0 || !strings.HasPrefix(o.console.stdout.String(), "kafka\n") {
			t.Errorf("%s: exit status %d, %q", line, status, o.console.stdout.String())
		}
	}
}
