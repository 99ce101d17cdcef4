package daybook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"daybook.dev"
)

// printer is a sink that prints what it is given.
type printer struct{}

func (printer) Write(_ context.Context, events []daybook.Event) error {
	for _, e := range events {
		fmt.Fprintln(os.Stdout, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Type, e.Name, e.Metadata)))
	}
	return nil
}

func (printer) Close(context.Context) error { return nil }

// exampleConfig is a configuration that prints events.
func exampleConfig() daybook.Config {
	return daybook.Config{
		Sinks:            map[string]daybook.Sink{"printer": printer{}},
		Settings:         daybook.StaticSettings(daybook.Settings{}),
		IgnoreDoNotTrack: true,
	}
}

func openExample() *daybook.Client {
	book, err := daybook.Open(exampleConfig())
	if err != nil {
		panic(err)
	}
	return book
}

func ExampleOpen() {
	cfg := exampleConfig() // in a program: daybook.Config{Gateway: "http://localhost:8080"}
	cfg.Service, cfg.Version = "checkout", "1.4.0"
	book, err := daybook.Open(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer book.Close(context.Background())
	book.Record(context.Background(), daybook.Behavioral, "login-success", slog.Bool("sso", true))
	// Output: behavioral login-success {"service_name":"checkout","service_version":"1.4.0","sso":true}
}

func ExampleClient_Record() {
	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	book.Record(ctx, daybook.Behavioral, "deploy-start", slog.String("region", "eu"), slog.Group("size", "cpu", 2, "gb", 8))
	// Output: behavioral deploy-start {"region":"eu","size":{"cpu":2,"gb":8}}
}

func ExampleClient_RecordMetric() {
	ctx := context.Background()
	cfg := exampleConfig()
	cfg.Now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	book, _ := daybook.Open(cfg)
	defer book.Close(ctx)
	book.RecordMetric(ctx, "request_time_ms", 12.5, slog.String("grpc_code", "OK"))
	// Output: metric request_time_ms {"grpc_code":"OK","value":12.5,"name":"request_time_ms","time":"2026-01-02T03:04:05Z"}
}

func ExampleClient_RecordExposure() {
	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	book.RecordExposure(ctx, daybook.Exposure{Experiment: "new-checkout", Variation: 1, DeviceID: "d-1"})
	// Output: GrowthbookExperimentEvent growthbook_experiment {"experiment_id":"new-checkout","variation_id":1,"environment":"production","device_id":"d-1"}
}

func ExampleClient_RecordRaw() {
	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	err := book.RecordRaw(ctx, map[string]any{"event_id": "1", "event_time": "2026-01-02T03:04:05Z", "event_type": "behavioral", "event_name": "click", "x": 1})
	fmt.Println(err)
	err = book.RecordRaw(ctx, map[string]any{"event_id": "2"})
	fmt.Println(err)
	// Output:
	// <nil>
	// event: event_time is missing or empty
	// behavioral click {"x":1}
}

func ExampleClient_RecordJSON() {
	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	_ = book.RecordJSON(ctx, []byte(`{"event_id":"1","event_time":"2026-01-02T03:04:05Z","event_type":"log","event_name":"paid","cents":12345678901234567890.10}`))
	// Output: log paid {"cents":12345678901234567890.10}
}

func ExampleClient_RecordLegacy() {
	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	err := book.RecordLegacy(ctx, daybook.Legacy{AppName: "acme"}, "app-start")
	fmt.Println(err)
	// Output: event: a legacy event needs the attribute install_id
}

func ExampleClient_Enqueue() {
	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	switch err := book.Enqueue(ctx, book.Event(ctx, daybook.Log, "checked-in")); {
	case errors.Is(err, daybook.ErrFull):
		fmt.Println("the queue is full")
	case err != nil:
		fmt.Println(err)
	}
	// Output: log checked-in
}

func ExampleClient_Save() {
	ctx := context.Background()
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	cfg := exampleConfig()
	cfg.Spool = daybook.SpoolOptions{Dir: dir} // in a program: daybook.StateDir("acme")
	book, _ := daybook.Open(cfg)
	err := book.Save(ctx, book.Event(ctx, daybook.Behavioral, "order-paid", slog.Int("cents", 1299)))
	fmt.Println("saved:", err == nil)
	_ = book.Close(ctx)
	// Unordered output:
	// saved: true
	// behavioral order-paid {"cents":1299}
}

func ExampleClient_Send() {
	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	outcomes, err := book.Send(ctx, book.Event(ctx, daybook.Behavioral, "order-paid", slog.Int("cents", 1299)))
	fmt.Println(outcomes[0].Status, err)
	// Output:
	// behavioral order-paid {"cents":1299}
	// stored <nil>
}

func ExampleClient_With() {
	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	users := book.WithUserID("ann").With(slog.String("plan", "pro"))
	users.Record(ctx, daybook.Behavioral, "login-success")
	// Output: behavioral login-success {"user_id":"ann","plan":"pro"}
}

func ExampleContextWith() {
	book := openExample()
	defer book.Close(context.Background())
	ctx := daybook.ContextWith(context.Background(), slog.String("request_id", "r-1"))
	book.Record(ctx, daybook.Log, "request-served")
	// Output: log request-served {"request_id":"r-1"}
}

func ExampleAnnotate() {
	book := openExample()
	defer book.Close(context.Background())
	authenticate := func(ctx context.Context) { daybook.Annotate(ctx, slog.String("org_id", "acme")) }

	ctx := daybook.NewScope(context.Background())
	authenticate(ctx)
	book.Record(ctx, daybook.Log, "request-served")
	// Output: log request-served {"org_id":"acme"}
}

func ExampleClient_Middleware() {
	book := openExample()
	defer book.Close(context.Background())
	handler := book.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		daybook.Annotate(r.Context(), slog.String("org_id", "acme"))
		book.Record(r.Context(), daybook.Log, "request-served")
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	// Output: log request-served {"org_id":"acme"}
}

func ExampleClient_BeaconHandler() {
	book := openExample()
	defer book.Close(context.Background())
	body := strings.NewReader(`{"event_id":"1","event_time":"2026-01-02T03:04:05Z","event_type":"behavioral","event_name":"click"}`)
	w := httptest.NewRecorder()
	book.BeaconHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/events", body))
	fmt.Print(w.Body)
	// Output:
	// {"durability":"memory","results":[{"index":0,"event_id":"1","status":"stored"}]}
	// behavioral click
}

func ExampleClient_SlogHandler() {
	book := openExample()
	defer book.Close(context.Background())
	log := slog.New(book.SlogHandler(nil))
	log.Info("somebody came", "event.name", "login-success", "sso", true) //nolint:sloglint // the key is OpenTelemetry's
	// Output: log login-success {"level":"INFO","message":"somebody came","sso":true}
}

func ExampleDefine() {
	orderPaid := daybook.Define(daybook.Behavioral, "order-paid") // in a program: a package variable

	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	orderPaid.Record(ctx, book, daybook.Int("cents", 1299), daybook.Bool("first", true))
	// Output: behavioral order-paid {"cents":1299,"first":true}
}

func ExampleClient_Enabled() {
	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	if book.Enabled(ctx, "query-plan") {
		book.Record(ctx, daybook.Log, "query-plan", slog.String("plan", "costly to compute"))
	}
	// Output: log query-plan {"plan":"costly to compute"}
}

func ExampleClient_Disabled() {
	cfg := exampleConfig()
	_ = os.Setenv("ACME_TELEMETRY_OFF", "1")
	defer os.Unsetenv("ACME_TELEMETRY_OFF")
	cfg.OptOut = daybook.OptOutEnv("ACME_TELEMETRY_OFF")
	book, err := daybook.Open(cfg)
	fmt.Println(book.Disabled(), err)
	// Output: ACME_TELEMETRY_OFF=1 <nil>
}

func ExampleClient_Flush() {
	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	book.Record(ctx, daybook.Log, "before-the-pause")
	if err := book.Flush(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println("flushed")
	// Output:
	// log before-the-pause
	// flushed
}

func ExampleClient_Close() {
	book := openExample()
	book.Record(context.Background(), daybook.Log, "the-end")
	err := book.Close(context.Background())
	if left, ok := errors.AsType[*daybook.UndeliveredError](err); ok {
		fmt.Println(left.Spooled, "wait for the next run,", left.Lost, "are lost")
	}
	// Output: log the-end
}

func ExampleClient_Reconfigure() {
	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	cfg := exampleConfig()
	cfg.Service = "renamed"
	if err := book.Reconfigure(ctx, cfg); err != nil {
		fmt.Println(err)
	}
	book.Record(ctx, daybook.Log, "a")
	// Output: log a {"service_name":"renamed"}
}

func ExampleClient_Stats() {
	ctx, book := context.Background(), openExample()
	defer book.Close(ctx)
	book.Record(ctx, daybook.Log, "a")
	_ = book.Flush(ctx)
	s := book.Stats()
	fmt.Println(s.Recorded, s.Delivered, s.Queued, len(s.Dropped))
	// Output:
	// log a
	// 1 1 0 0
}

func ExampleTee() {
	notMetric := func(e daybook.Event) bool { return e.Type != daybook.Metric }
	var b bytes.Buffer
	debug := daybook.LogTo(slog.New(slog.NewTextHandler(&b, nil)), slog.LevelInfo)
	sink := daybook.Tee(printer{}, daybook.Filter(debug, notMetric))
	_ = sink.Write(context.Background(), []daybook.Event{{Type: daybook.Metric, Name: "rss"}, {Type: daybook.Log, Name: "started"}})
	fmt.Println(strings.Count(b.String(), "event_name"))
	// Output:
	// metric rss
	// log started
	// 1
}
