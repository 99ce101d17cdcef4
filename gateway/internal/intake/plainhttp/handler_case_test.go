package plainhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/plainhttp"
)

// reply is the answer as a client reads it.
type reply struct {
	Durability            string
	Results               []result
	Code, Reason, Message string
}

type result struct {
	Index   int
	EventID string `json:"event_id"`
	Status  string
	Code    string
	Reason  string
	Field   string
	Message string
}

func parse(t testing.TB, w *httptest.ResponseRecorder) reply {
	t.Helper()
	var r reply
	decoder := json.NewDecoder(w.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("the reply is not as documented: %v", err)
	}
	for i, result := range r.Results {
		if result.Index != i {
			t.Fatalf("result %d has index %d", i, result.Index)
		}
	}
	return r
}

func TestStatusFollowsTheOutcomes(t *testing.T) {
	refused := daybook.Outcome{Status: daybook.Refused, Reason: "x", Err: &daybook.Error{Code: daybook.Invalid, Reason: "x"}}
	failed := daybook.Outcome{Status: daybook.Failed, Err: &daybook.Error{Code: daybook.Unavailable, RetryAfter: 2500 * time.Millisecond}}
	exhausted := daybook.Outcome{Status: daybook.Failed, Err: &daybook.Error{Code: daybook.Exhausted}}
	for name, c := range map[string]struct {
		outcomes []daybook.Outcome
		status   int
		retry    string
	}{
		"stored":               {[]daybook.Outcome{{Status: daybook.Stored}}, 200, ""},
		"duplicate":            {[]daybook.Outcome{{Status: daybook.Duplicate}}, 200, ""},
		"dropped by a rule":    {[]daybook.Outcome{{Status: daybook.Dropped}, refused}, 200, ""},
		"all refused":          {[]daybook.Outcome{refused, refused}, 400, ""},
		"one failed":           {[]daybook.Outcome{{Status: daybook.Stored}, refused, failed}, 503, "3"},
		"one for want of room": {[]daybook.Outcome{failed, exhausted}, 429, "3"},
		"nobody knows":         {[]daybook.Outcome{{}}, 503, "1"},
		"a foreign error":      {[]daybook.Outcome{{Status: daybook.Failed, Err: errors.New("secret")}}, 503, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &plainhttp.Handler{Door: intake.Door{Body: &intake.Body{}, Accept: func(context.Context, accept.Batch) []daybook.Outcome { return c.outcomes }}}
			w := post(h, strings.Repeat(`{"event_name":"a"}`+"\n", len(c.outcomes)))
			if w.Code != c.status || w.Header().Get("Retry-After") != c.retry {
				t.Errorf("status %d, Retry-After %q; want %d, %q", w.Code, w.Header().Get("Retry-After"), c.status, c.retry)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Error("an internal cause reached the caller")
			}
			if got := parse(t, w); len(got.Results) != len(c.outcomes) {
				t.Errorf("%d results for %d events", len(got.Results), len(c.outcomes))
			}
		})
	}
}

func TestAStoreThatFailsFailsEveryEventThatWasNotRefused(t *testing.T) {
	s := &intaketest.Recorder{Fail: &daybook.Error{Code: daybook.Exhausted, Reason: "disk_full", Message: "the disk is full", RetryAfter: 5 * time.Second}}
	w := post(newHandler(s), `[{"event_id":"e1","event_name":"a"},{"event_name":""},{"event_id":"e3","event_name":"c"}]`)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "5" {
		t.Fatalf("status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	got := parse(t, w)
	for i, want := range []result{
		{0, "e1", "failed", "exhausted", "disk_full", "", "the disk is full"},
		{1, "", "refused", "invalid", "blank_name", "event_name", "event_name is required and must not be blank"},
		{2, "e3", "failed", "exhausted", "disk_full", "", "the disk is full"},
	} {
		if got.Results[i] != want {
			t.Errorf("result %d is %+v, want %+v", i, got.Results[i], want)
		}
	}
}

func TestTheMessageIsForPeopleAndTheCauseIsNot(t *testing.T) {
	s := &intaketest.Recorder{Fail: errors.New("open /secret/path: no such file")}
	w := post(newHandler(s), `{"event_name":"a"}`)
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("status %d, body %s", w.Code, w.Body)
	}
}

func TestAClientThatGoesAwayLosesOnlyTheAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &intaketest.Recorder{Queued: cancel} // the connection breaks while the events are being stored
	h := newHandler(s)
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, plainhttp.Path, strings.NewReader(`{"event_name":"a"}`))
	h.ServeHTTP(httptest.NewRecorder(), r)
	if len(s.Records()) != 1 {
		t.Errorf("%d records stored, want 1", len(s.Records()))
	}
}

func TestABodyThatBreaksOffStoresNothing(t *testing.T) {
	s := &intaketest.Recorder{}
	body := io.MultiReader(strings.NewReader(`{"event_name":"a"}`+"\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
	w := httptest.NewRecorder()
	newHandler(s).ServeHTTP(w, httptest.NewRequest(http.MethodPost, plainhttp.Path, body))
	if got := parse(t, w); w.Code != http.StatusBadRequest || got.Reason != "body_incomplete" || len(s.Records()) != 0 {
		t.Errorf("status %d, reason %q, %d records", w.Code, got.Reason, len(s.Records()))
	}
}

func TestEveryAnswerReturnsTheMemory(t *testing.T) {
	h := newHandler(&intaketest.Recorder{})
	budget := intake.NewBudget(1 << 20)
	h.Body = &intake.Body{Budget: budget}
	for _, body := range []string{
		`{"event_name":"a"}`, `[]`, ``, `[{`, `{"event_name":""}`, strings.Repeat(`{"event_name":"a"}`+"\n", 2_000), strings.Repeat(" ", 2<<20),
	} {
		w := post(h, body)
		if budget.Used() != 0 {
			t.Errorf("after %.20q (status %d) %d bytes are still held", body, w.Code, budget.Used())
		}
	}
}

func TestABatchOfManySmallEventsIsChargedForWhatItBecomes(t *testing.T) {
	h := newHandler(&intaketest.Recorder{})
	budget := intake.NewBudget(4 << 20)
	others := budget.Lease()
	if err := others.Grow(3 << 20); err != nil {
		t.Fatal(err)
	}
	h.Body = &intake.Body{Budget: budget}
	w := post(h, strings.Repeat(`{"event_name":"a"}`+"\n", 2_000)) // 38 KB, and 2,000 records
	if got := parse(t, w); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || got.Reason != "memory_exhausted" {
		t.Errorf("status %d, Retry-After %q, reason %q", w.Code, w.Header().Get("Retry-After"), got.Reason)
	}
}

func TestWhatClientsDroppedIsReported(t *testing.T) {
	h := newHandler(&intaketest.Recorder{})
	got := map[string]uint64{}
	h.Report = func(caller, reason string, events uint64) { got[caller+" "+reason] += events }
	post(h, `{"event_name":"a"}`, intake.ClientReportHeader, "queue_full=3, made-up=2")
	if got["anonymous queue_full"] != 3 || got["anonymous other"] != 2 || len(got) != 2 {
		t.Errorf("reported %v", got)
	}
}

// TestAReportIsCountedOnceHoweverOftenItIsSent: a client whose events failed sends
// them again, and the report with them.
func TestAReportIsCountedOnceHoweverOftenItIsSent(t *testing.T) {
	got := uint64(0)
	count := func(_, _ string, events uint64) { got += events }
	failing := newHandler(&intaketest.Recorder{Fail: &daybook.Error{Code: daybook.Exhausted, Reason: "disk_full"}})
	works := newHandler(&intaketest.Recorder{})
	failing.Report, works.Report = count, count
	for range 3 {
		post(failing, `{"event_name":"a"}`, intake.ClientReportHeader, "queue_full=3")
	}
	post(works, `not an event`, intake.ClientReportHeader, "queue_full=3")
	if got != 0 {
		t.Errorf("%d are counted before any request was taken", got)
	}
	post(works, `[{"event_name":"a"},{}]`, intake.ClientReportHeader, "queue_full=3")
	if got != 3 {
		t.Errorf("%d are counted, want 3", got)
	}
	post(works, `[]`, intake.ClientReportHeader, "queue_full=4")
	if got != 7 {
		t.Errorf("%d are counted, want 7: a report may come without events", got)
	}
}

func TestARowSentAgainIsADuplicate(t *testing.T) {
	s := &intaketest.Recorder{}
	h := newHandler(s)
	post(h, `{"event_id":"e1","event_name":"a","user_id":"u","n":1}`)
	row := `{"event_id":"e1","event_name":"a","event_type":null,"actor_id":"u","event_ts":"2026-01-02T12:00:00Z",` +
		`"ingested_at":"2026-01-02T12:00:00Z","caller":"anonymous","protocol":"http","instance":"test","metadata":{"user_id":"u","n":1}}`
	if got := parse(t, post(h, row)); got.Results[0].Status != "duplicate" {
		t.Errorf("the row of an event without a time is %+v", got.Results[0])
	}
	other := strings.Replace(row, `"event_ts":"2026-01-02T12:00:00Z"`, `"event_ts":"2026-01-02T11:00:00Z"`, 1)
	if got := parse(t, post(h, other)); got.Results[0].Code != "conflict" {
		t.Errorf("the same event at another time is %+v", got.Results[0])
	}
}
