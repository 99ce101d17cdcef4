package daybook_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/daybooktest"
)

func TestMiddlewareLetsAnInnerHandlerAddToAnOuterEvent(t *testing.T) {
	rec := daybooktest.New(t)
	inner := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		daybook.Annotate(r.Context(), slog.String("org_id", "acme"))
	})
	outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		rec.Record(r.Context(), daybook.Log, "request-served")
	})
	server := rec.Middleware(outer)
	server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	rec.Require("request-served", slog.String("org_id", "acme"))
	(*daybook.Client)(nil).Middleware(outer).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
}

func TestBeaconsAreRecordedOneByOne(t *testing.T) {
	const good = `{"event_id":"1","event_time":"2026-01-02T03:04:05Z","event_type":"behavioral","event_name":"click","x":1.50}`
	for _, c := range []struct {
		name, body string
		status     int
		recorded   int
		says       string
	}{
		{"one event", good, 200, 1, `{"durability":"memory","results":[{"index":0,"event_id":"1","status":"stored"}]}`},
		{"an array", "[" + good + "," + good + "]", 200, 2, `"index":1`},
		{"a batch", `{"events":[` + good + `]}`, 200, 1, `"stored"`},
		{"lines", good + "\n" + good + "\n", 200, 2, `"index":1`},
		{"a bad one costs no other", `[{"event_id":"2"},` + good + "]", 200, 1, `{"index":0,"event_id":"2","status":"refused","code":"invalid","reason":"missing_time","field":"event_time"`},
		{"all bad", `[{"event_id":"2"},{},7]`, 400, 0, `"reason":"empty_event"`},
		{"no JSON", `hello`, 400, 0, `"reason":"invalid_json"`},
		{"nothing", ``, 400, 0, `"results":[]`},
		{"an empty batch", `{"events":[]}`, 400, 0, `"results":[]`},
		{"too much", `"` + strings.Repeat("x", 1<<20) + `"`, 413, 0, `"reason":"body_too_large"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := daybooktest.New(t)
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(c.body))
			r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
			rec.BeaconHandler().ServeHTTP(w, r)
			if w.Code != c.status || len(rec.Events()) != c.recorded || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d, %d recorded, %s", w.Code, len(rec.Events()), w.Body)
			}
			if c.recorded > 0 {
				e := rec.Events()[0]
				if string(e.Metadata) != `{"x":1.50}` || e.ID != "1" || !e.Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
					t.Errorf("recorded %+v", e)
				}
			}
		})
	}
	w := httptest.NewRecorder()
	(&daybook.Client{}).BeaconHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(good)))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"dropped","reason":"opted_out"`) {
		t.Errorf("a disabled client says %d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	(&daybook.Client{}).BeaconHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET is answered %d", w.Code)
	}
}

func TestLogRecordsWithAnEventNameBecomeEvents(t *testing.T) {
	rec := daybooktest.New(t)
	var b bytes.Buffer
	log := slog.New(rec.SlogHandler(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelWarn})))

	log.Info("just a line", "a", 1)
	log.With("tenant", "acme").WithGroup("http").With("method", "GET").WithGroup("route").Info("no event either", "event.name", "inside-a-group") //nolint:sloglint // the key is OpenTelemetry's
	if n := len(rec.Events()); n != 0 {
		t.Fatalf("%d events", n)
	}
	log.Info("Somebody came", "event.name", "login-success", "event.type", "behavioral", "user_id", "ann", slog.Group("g", "a", 1)) //nolint:sloglint // the key is OpenTelemetry's
	e := rec.Require("login-success", slog.String("message", "Somebody came"), slog.String("level", "INFO"), slog.String("user_id", "ann"), slog.Group("g", "a", 1))
	if e.Type != daybook.Behavioral || e.Actor != "ann" || strings.Contains(string(e.Metadata), "event.name") {
		t.Errorf("event %+v %s", e, e.Metadata)
	}
	log.With("event.name", "request", "tenant", "acme").WithGroup("http").With("method", "GET").Warn("", "status", 200) //nolint:sloglint // the key is OpenTelemetry's
	e = rec.Require("request", slog.String("tenant", "acme"), slog.Group("http", "method", "GET", "status", 200))
	if e.Type != daybook.Log {
		t.Errorf("type %q", e.Type)
	}
	if got := b.String(); strings.Contains(got, "Somebody") || !strings.Contains(got, `"http":{"method":"GET","status":200}`) {
		t.Errorf("the next handler wrote %s", got)
	}
}

func TestOurOwnLinesNeverBecomeEvents(t *testing.T) {
	rec := daybooktest.New(t)
	logger := slog.New(rec.SlogHandler(nil)).With("event.name", "line") //nolint:sloglint // the key is OpenTelemetry's
	sink := daybook.LogTo(logger, slog.LevelInfo)
	if err := sink.Write(t.Context(), []daybook.Event{{Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	rec.RequireNone("line")
	logger.Info("somebody else's")
	rec.Require("line")
}

func TestDefinedEventsAreMadeOfConstants(t *testing.T) {
	rec := daybooktest.New(t)
	paid := daybook.Define(daybook.Behavioral, "order-paid")
	paid.Record(t.Context(), rec.Client, daybook.Int("cents", 1299), daybook.Float("rate", 0.5), daybook.Bool("first", true), daybook.ReviewedString("plan", "pro"))
	e := rec.Require("order-paid", slog.Int("cents", 1299), slog.Float64("rate", 0.5), slog.Bool("first", true), slog.String("plan", "pro"))
	if e.Type != paid.Type() || e.Name != paid.Name() {
		t.Errorf("event %+v", e)
	}
	paid.Record(context.Background(), nil, daybook.Int("cents", 1))
}
