package operations_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/operations"
	"daybook.dev/gateway/internal/query/querytest"
	"daybook.dev/gateway/internal/replay"
	"daybook.dev/gateway/internal/store"
)

// shelf is a store in memory that takes what is appended.
type shelf struct{ querytest.Memory }

func (s *shelf) Append(_ context.Context, records []store.Record) ([]store.Receipt, error) {
	var receipts []store.Receipt
	for _, r := range records {
		receipts = append(receipts, store.Receipt{Status: daybook.Stored, ID: r.Event.ID, Position: s.AddRecord(r, 0)})
	}
	return receipts, nil
}

func (s *shelf) Hold(string, store.Position) {}
func (s *shelf) Release(string)              {}

// letters returns a store with an event at position 1, its dead letters of kafka
// (2) and postgres (3), and at 4 one that the gateway itself set aside.
func letters() *shelf {
	s := &shelf{}
	s.Add("a", noon, 0)
	refused := func(destination string, at store.Position) store.Record {
		return store.Record{
			Kind: store.KindRefused, Event: daybook.Event{ID: "id-a", Name: "a"}, Caller: "anonymous", Protocol: "http", Received: noon,
			Refusal: &store.Refusal{Destination: destination, Position: at, Attempts: 1, Code: daybook.TooLarge, Reason: "row_too_large", Field: "metadata", Message: "too large"},
		}
	}
	s.AddRecord(refused("kafka", 1), 0)
	s.AddRecord(refused("postgres", 1), 0)
	own := refused("", 0)
	own.Event, own.Caller = daybook.Event{ID: "never", Time: noon, Metadata: []byte(`{"n":1.50}`)}, ""
	own.Refusal.Field, own.Refusal.Message = "", ""
	s.AddRecord(own, 0)
	return s
}

const (
	kafkaRow    = `{"position":1,"destination":"kafka","record":2,"event_id":"id-a","event_name":"a","caller":"anonymous","ingested_at":"2026-01-31T12:00:00Z","attempts":1,"code":"too_large","reason":"row_too_large","field":"metadata","message":"too large"`
	postgresRow = `{"position":1,"destination":"postgres","record":3,"event_id":"id-a","event_name":"a","caller":"anonymous","ingested_at":"2026-01-31T12:00:00Z","attempts":1,"code":"too_large","reason":"row_too_large","field":"metadata","message":"too large"`
	ownRow      = `{"position":4,"destination":null,"record":4,"event_id":"never","event_name":null,"caller":null,"ingested_at":"2026-01-31T12:00:00Z","attempts":1,"code":"too_large","reason":"row_too_large","field":null,"message":null`
	eventRow    = `"event":{"event_id":"id-a","event_name":"a","event_type":null,"actor_id":null,"event_ts":"2026-01-31T12:00:00Z","ingested_at":"2026-01-31T12:00:00Z","caller":"anonymous","protocol":"http","instance":null,"metadata":null}`
)

// deadRoutes returns the routes about the dead letters of a store, of which
// write takes what is retried.
func deadRoutes(t *testing.T, s *shelf, write func([]daybook.Event) error) http.Handler {
	index := deadletter.Open(deadletter.Options{
		Data: t.TempDir(), Source: s,
		Write: func(_ context.Context, _ string, events []daybook.Event) error { return write(events) },
	})
	return operations.New(operations.Options{
		Events: s, DeadLetters: index, Metrics: metrics, Guard: operations.Guard{Host: "127.0.0.1", Changes: "secret"},
	})
}

func takesAll([]daybook.Event) error { return nil }

// post sends a body, with headers given as name, value.
func post(h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost:8081"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestDeadLettersAreListedAndShown(t *testing.T) {
	h := deadRoutes(t, letters(), takesAll)
	rest := func(matched int) string {
		return fmt.Sprintf(`],"matched":%d,"open":3,"unlisted":0,"expired":0,"complete":true,"through":4}`+"\n", matched)
	}
	for path, want := range map[string]string{
		"":                                     `{"deadletters":[` + ownRow + "}," + postgresRow + "}," + kafkaRow + "}" + rest(3),
		"?destination=kafka":                   `{"deadletters":[` + kafkaRow + "}" + rest(1),
		"?own=true":                            `{"deadletters":[` + ownRow + "}" + rest(1),
		"?position=1&position=9&limit=1":       `{"deadletters":[` + postgresRow + "}" + rest(2),
		"?event_id=x":                          `{"deadletters":[` + rest(0),
		"?event_name=a&caller=anonymous":       `{"deadletters":[` + postgresRow + "}," + kafkaRow + "}" + rest(2),
		"?code=too_large&reason=row_too_large": `{"deadletters":[` + ownRow + "}," + postgresRow + "}," + kafkaRow + "}" + rest(3),
		"?until=2026-01-31T12:00:00Z":          `{"deadletters":[` + rest(0),
		"?since=2026-01-31T13:00:00%2B01:00&destination=kafka": `{"deadletters":[` + kafkaRow + "}" + rest(1),

		"/1":                     `{"deadletters":[` + postgresRow + "," + eventRow + "}," + kafkaRow + "," + eventRow + "}]}\n",
		"/1?destination=kafka":   `{"deadletters":[` + kafkaRow + "," + eventRow + "}]}\n",
		"/9":                     `{"code":"not_found","message":"there is no dead letter of position 9"}` + "\n",
		"/x":                     `{"code":"invalid","message":"\"x\" is not a position"}` + "\n",
		"?limit=x":               `{"code":"invalid","message":"limit: \"x\" is not a number"}` + "\n",
		"?limit=10001":           `{"code":"invalid","reason":"invalid_filter","field":"limit","message":"limit must be from 1 to 10000"}` + "\n",
		"?since=soon":            `{"code":"invalid","message":"since: \"soon\" is not a time such as 2026-01-31T12:00:00Z"}` + "\n",
		"?own=maybe":             `{"code":"invalid","message":"own: \"maybe\" is neither true nor false"}` + "\n",
		"?position=first":        `{"code":"invalid","message":"position: \"first\" is not a position"}` + "\n",
		"?destinations=postgres": `{"code":"invalid","message":"destinations: there is no such parameter; there are destination, own, position, event_id, event_name, caller, reason, code, since, until, limit"}` + "\n",
	} {
		if w := get(h, "/v1/deadletters"+path, "localhost"); w.Body.String() != want {
			t.Errorf("%q: %d\ngot  %s\nwant %s", path, w.Code, w.Body, want)
		}
	}
	w := get(h, "/v1/deadletters/4", "localhost")
	if want := `"metadata":{"n":1.50}}}]}` + "\n"; !strings.HasSuffix(w.Body.String(), want) {
		t.Errorf("what the gateway set aside is shown as %s", w.Body)
	}
}

func TestAChangeIsToldLineByLine(t *testing.T) {
	s := letters()
	h := deadRoutes(t, s, func(events []daybook.Event) error {
		return &daybook.Error{Code: daybook.Invalid, Reason: "again", Message: "no", Err: errors.New("secret cause")}
	})
	w := post(h, "POST", "/v1/deadletters/retry", `{"all":true}`, "Authorization", "Bearer secret")
	want := `{"position":4,"destination":null,"event_id":"never","result":"no_destination"}
{"position":1,"destination":"kafka","event_id":"id-a","result":"failed","code":"invalid","reason":"again","message":"no"}
{"position":1,"destination":"postgres","event_id":"id-a","result":"failed","code":"invalid","reason":"again","message":"no"}
{"summary":{"matched":3,"remaining":0,"last":4,"results":{"failed":2,"no_destination":1}}}
`
	if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%d %v\ngot  %s\nwant %s", w.Code, w.Header(), w.Body, want)
	}
	w = post(h, "POST", "/v1/deadletters/drop", `{"destination":"kafka"}`, "Authorization", "Bearer secret")
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if want := `{"summary":{"matched":1,"remaining":0,"last":5,"results":{"dropped":1}}}`; w.Code != 200 || lines[len(lines)-1] != want {
		t.Errorf("%d %s, want %s", w.Code, w.Body, want)
	}
	if w := get(h, "/v1/deadletters?destination=kafka", "localhost"); !strings.Contains(w.Body.String(), `"matched":0`) {
		t.Errorf("afterwards: %s", w.Body)
	}
}

func TestWhoeverWaitsIsToldHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := letters()
		for i := range 300 {
			s.AddRecord(store.Record{
				Kind: store.KindRefused, Event: daybook.Event{ID: fmt.Sprint(i), Time: noon}, Caller: "c", Received: noon,
				Refusal: &store.Refusal{Destination: "kafka", Position: store.Position(1000 + i), Attempts: 1, Code: daybook.Invalid},
			}, 0)
		}
		h := deadRoutes(t, s, func([]daybook.Event) error { time.Sleep(10 * time.Second); return nil })
		w := post(h, "POST", "/v1/deadletters/retry", `{"destination":"kafka","limit":250}`, "Authorization", "Bearer secret")
		want := `{"done":1}` + "\n" + `{"done":101}` + "\n" + `{"done":201}` + "\n" + `{"summary":{"matched":301,"remaining":51,"last":253,"results":{"delivered":250}}}` + "\n"
		if w.Body.String() != want {
			t.Errorf("got  %s\nwant %s", w.Body, want)
		}
	})
}

func TestAChangeThatEndsWithTheGatewaySaysSo(t *testing.T) {
	s := letters()
	stopping, stop := context.WithCancel(t.Context())
	index := deadletter.Open(deadletter.Options{Data: t.TempDir(), Source: s, Write: func(ctx context.Context, _ string, _ []daybook.Event) error {
		stop()
		<-ctx.Done()
		return nil
	}})
	h := operations.New(operations.Options{Events: s, DeadLetters: index, Metrics: metrics, Streams: stopping, Guard: operations.Guard{Changes: "secret"}})
	w := post(h, "POST", "/v1/deadletters/retry", `{"positions":[1]}`, "Authorization", "Bearer secret")
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if want := `{"summary":{"matched":2,"remaining":0,"last":3,"results":{"delivered":1,"not_tried":1}},"error":{"code":"unavailable","reason":"interrupted","message":"the call ended before all had their turn: call again"}}`; lines[len(lines)-1] != want {
		t.Errorf("got  %s\nwant %s", lines[len(lines)-1], want)
	}
}

// deaf is a connection whose other end is gone.
type deaf struct{ *httptest.ResponseRecorder }

func (deaf) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestAChangeEndsWhenNobodyReadsItsAnswer(t *testing.T) {
	s := letters()
	for i := range 300 {
		s.AddRecord(store.Record{
			Kind: store.KindRefused, Event: daybook.Event{ID: fmt.Sprint(i), Time: noon}, Caller: "c", Received: noon,
			Refusal: &store.Refusal{Destination: "kafka", Position: store.Position(1000 + i), Attempts: 1, Code: daybook.Invalid},
		}, 0)
	}
	delivered := 0
	h := deadRoutes(t, s, func(events []daybook.Event) error { delivered += len(events); return nil })
	r := httptest.NewRequest(http.MethodPost, "/v1/deadletters/retry", strings.NewReader(`{"destination":"kafka"}`))
	r.Host = "localhost"
	r.Header.Set("Authorization", "Bearer secret")
	h.ServeHTTP(deaf{httptest.NewRecorder()}, r)
	if delivered != 100 {
		t.Errorf("%d were delivered, want the batch that was under way", delivered)
	}
}

func TestARequestToChangeSomethingIsReadStrictly(t *testing.T) {
	h := deadRoutes(t, letters(), takesAll)
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		`{}`:                              {400, "say which dead letters are meant"},
		`{"all":true,"caller":"c"}`:       {400, "and not both"},
		`{"destinations":"kafka"}`:        {400, `unknown field \"destinations\"`},
		`{"all":true}{"all":true}`:        {400, "something follows the object"},
		`{"all":"yes"}`:                   {400, "not the JSON object that is expected"},
		``:                                {400, "not the JSON object that is expected"},
		`"` + strings.Repeat("x", 70_000): {413, "more than 65536 bytes"},
	} {
		w := post(h, "POST", "/v1/deadletters/drop", body, "Authorization", "Bearer secret")
		var answer map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != want.status || !strings.Contains(w.Body.String(), want.says) {
			t.Errorf("%.40q: %d %s, want %d %s", body, w.Code, w.Body, want.status, want.says)
		}
	}
	if w := get(h, "/v1/deadletters", "localhost"); !strings.Contains(w.Body.String(), `"open":3`) {
		t.Errorf("something was dropped: %s", w.Body)
	}
}

func TestAStoreThatCannotBeReadIsNoReasonToRepeatItsError(t *testing.T) {
	s := letters()
	s.Fail(errors.New("a path and a cause"))
	var told error
	index := deadletter.Open(deadletter.Options{Data: t.TempDir(), Source: s})
	h := operations.New(operations.Options{Events: s, DeadLetters: index, Metrics: metrics, Failed: func(err error) { told = err }})
	for _, path := range []string{"/v1/deadletters", "/v1/deadletters/1"} {
		told = nil
		if w := get(h, path, "localhost"); w.Code != 500 || strings.Contains(w.Body.String(), "cause") || told == nil {
			t.Errorf("%s: %d %s, told %v", path, w.Code, w.Body, told)
		}
	}
}

func TestWithoutAStoreToReadTheRoutesSayWhatIsMissing(t *testing.T) {
	for direct, want := range map[string]string{"": "not available: this store cannot be read", "warehouse": "not available with store: warehouse"} {
		h := operations.New(operations.Options{Metrics: metrics, Direct: direct, Guard: operations.Guard{Changes: "secret"}})
		for _, request := range []string{
			"GET /v1/deadletters", "GET /v1/deadletters/1", "POST /v1/deadletters/retry", "GET /v1/replays", "POST /v1/replays", "DELETE /v1/replays/x",
		} {
			method, path, _ := strings.Cut(request, " ")
			if w := post(h, method, path, "{}"); w.Code != http.StatusNotImplemented || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: %d %s, want %q", request, w.Code, w.Body, want)
			}
		}
	}
}

// deadRoutesWith returns the routes of a store with dead letters and replays,
// behind a guard.
func deadRoutesWith(t *testing.T, s *shelf, g operations.Guard) http.Handler {
	t.Helper()
	write := func(context.Context, string, []daybook.Event) error { return nil }
	r, err := replay.Open(replay.Options{Data: t.TempDir(), Source: s, Destinations: []string{"kafka"}, Write: write})
	if err != nil {
		t.Fatal(err)
	}
	return operations.New(operations.Options{
		Events: s, DeadLetters: deadletter.Open(deadletter.Options{Data: t.TempDir(), Source: s, Write: write}), Replays: r, Metrics: metrics, Guard: g,
	})
}
