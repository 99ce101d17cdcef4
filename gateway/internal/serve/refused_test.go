package serve_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/serve"
)

const traceparent, traceID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"

func TestRequestsThatAreRefusedAsAWholeAreCountedAndLoggedWithTheirIDs(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	g := startWith(t, serve.Config{}, serve.Options{Log: log, Events: log})
	const call = "/events.v1.EventLoggingService/LogEvent"
	tooLong := `{"event_name":"a"}` + strings.Repeat(" ", 1<<20)
	for _, c := range []struct{ method, path, body, contentType, encoding, protocol, reason string }{
		{"POST", "/v1/events", "", "", "", "http", "empty_body"},
		{"GET", "/v1/events", "", "", "", "http", "method_not_allowed"},
		{"POST", "/v1/events", "x", "", "gzip", "http", "invalid_compression"},
		{"POST", call, tooLong, "application/json", "", "logevent", "body_too_large"},
		{"POST", call, tooLong, "application/json; charset=UTF-8", "", "logevent", "body_too_large"},
		{"POST", call, "x", "application/json", "zstd", "logevent", "unsupported_encoding"},
		{"POST", call, "x", "application/json", "gzip", "logevent", "invalid_call"},
		{"POST", call, "x", "text/plain", "", "logevent", "invalid_call"},
		{"DELETE", call, "", "application/json", "", "logevent", "method_not_allowed"},
	} {
		headers := []string{"Traceparent", traceparent, "Content-Type", c.contentType}
		if c.encoding != "" {
			headers = append(headers, "Content-Encoding", c.encoding)
		}
		if status, _ := g.do(c.method, g.IngestURL()+c.path, c.body, headers...); status < 400 {
			t.Errorf("%+v: status %d", c, status)
		}
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	g.stop()
	<-g.stopped
	for what, count := range map[string]string{
		`protocol="http",reason="empty_body"`:               "1",
		`protocol="http",reason="method_not_allowed"`:       "1",
		`protocol="http",reason="invalid_compression"`:      "1",
		`protocol="logevent",reason="body_too_large"`:       "2",
		`protocol="logevent",reason="unsupported_encoding"`: "1",
		`protocol="logevent",reason="invalid_call"`:         "2",
		`protocol="logevent",reason="method_not_allowed"`:   "1",
	} {
		if line := "daybook_requests_refused_total{" + what + "} " + count + "\n"; !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	for name, want := range map[string]int{`msg="request refused"`: 3, "msg=events.log_event.request_rejected": 6} {
		got := 0
		for line := range strings.Lines(text.String()) {
			if strings.Contains(line, name) && strings.Contains(line, "request="+traceID) && strings.Contains(line, " reason=") {
				got++
			}
		}
		if got != want {
			t.Errorf("%d lines with %s, its request and a reason, want %d:\n%s", got, name, want, &text)
		}
	}
}

func TestTheLinesOfBatchesAndEventsNameTheirRequest(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	g := startWith(t, serve.Config{Log: serve.Log{Events: "all"}}, serve.Options{Log: log, Events: log})
	for path, body := range map[string]string{
		"/v1/events": `[{"event_name":"a"},{"event_name":""}]`,
		"/events.v1.EventLoggingService/LogEvent": `{"event_name":" "}`,
	} {
		g.do("POST", g.IngestURL()+path, body, "Content-Type", "application/json", "Traceparent", traceparent)
	}
	g.stop()
	<-g.stopped
	for _, want := range []string{
		`msg="events received" caller=anonymous protocol=http request=` + traceID + " stored=1 refused=1 reason=blank_name",
		"msg=events.log_event.request_rejected caller=anonymous request=" + traceID + " code=invalid reason=blank_name",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, &text)
		}
	}
}

func TestEveryAnswerOfTheIngestPortHasARequestID(t *testing.T) {
	g := start(t, serve.Config{})
	for _, path := range []string{
		"/health", "/ready", "/nothing/here", "/v1/events", "/grpc.health.v1.Health/Check", "/events.v1.EventLoggingService/LogEvent",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.IngestURL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Traceparent", traceparent)
		r.Header.Set("Daybook-Request-Id", "made-up")
		response, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if got := response.Header["Daybook-Request-Id"]; len(got) != 1 || got[0] != traceID {
			t.Errorf("%s: id %q", path, got)
		}
	}
}
