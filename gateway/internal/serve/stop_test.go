package serve_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"testing"
	"time"

	"daybook.dev/gateway/internal/serve"
)

// until asks again and again, as a load balancer does, until the answer is as
// wanted.
func (r *running) until(url string, want func(status int, body string) bool) {
	r.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		status, body := r.do("GET", url, "")
		if want(status, body) {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: still %d %s", url, status, body)
		}
	}
}

func notReady(status int, body string) bool {
	return status == http.StatusServiceUnavailable && strings.Contains(body, "stopping")
}

func unreachable(status int, _ string) bool { return status == 0 }

// A slowRequest has been begun and waits for the rest of its body.
type slowRequest struct {
	rest   io.WriteCloser
	answer chan answer
}

type answer struct {
	status int
	err    error
}

// begin starts to send an event and returns when the gateway reads its body.
func (r *running) begin(protocols *http.Protocols) slowRequest {
	r.t.Helper()
	body, rest := io.Pipe()
	reading := make(chan struct{})
	ctx := httptrace.WithClientTrace(r.t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(reading) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.IngestURL()+"/v1/events", body)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Expect", "100-continue")
	transport := &http.Transport{ExpectContinueTimeout: time.Minute, Protocols: protocols}
	s := slowRequest{rest: rest, answer: make(chan answer, 1)}
	go func() {
		defer transport.CloseIdleConnections()
		response, err := transport.RoundTrip(request)
		if err != nil {
			s.answer <- answer{err: err}
			return
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		s.answer <- answer{status: response.StatusCode}
	}()
	<-reading
	return s
}

func TestAStopBeginsWithNotReadyWhileEventsAreStillAccepted(t *testing.T) {
	g := start(t, serve.Config{Stop: serve.Stop{Delay: time.Hour}})
	g.stop()
	g.until(g.IngestURL()+"/ready", notReady)
	g.until(g.OperationsURL()+"/ready", notReady)
	if status, body := g.do("GET", g.IngestURL()+"/health", ""); status != 200 {
		t.Errorf("/health: %d %s: a gateway that stops is alive", status, body)
	}
	if status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"late"}`); status != 200 {
		t.Errorf("an event during the delay: %d %s", status, body)
	}
	g.StopNow()
	if err := <-g.stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestWhatWasBegunIsAnsweredBeforeTheGatewayEnds(t *testing.T) {
	http2 := new(http.Protocols)
	http2.SetUnencryptedHTTP2(true)
	for name, protocols := range map[string]*http.Protocols{"HTTP/1.1": nil, "HTTP/2": http2} {
		t.Run(name, func(t *testing.T) {
			g := start(t, serve.Config{Stop: serve.Stop{Within: time.Minute}})
			request := g.begin(protocols)
			g.stop()
			g.client.CloseIdleConnections()
			g.until(g.IngestURL()+"/health", unreachable)
			if status, _ := g.do("GET", g.OperationsURL()+"/ready", ""); status != http.StatusServiceUnavailable {
				t.Errorf("operations while ingest drains: %d", status)
			}
			if _, err := io.WriteString(request.rest, `{"event_name":"slow"}`); err != nil {
				t.Fatal(err)
			}
			_ = request.rest.Close()
			if got := <-request.answer; got.status != 200 {
				t.Errorf("the request that was begun: %+v", got)
			}
			g.client.CloseIdleConnections()
			if err := <-g.stopped; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
}

// beginByHand is begin over a bare connection, for requests that never end.
func (r *running) beginByHand() net.Conn {
	r.t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(r.IngestURL(), "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = connection.Close() })
	_, err = io.WriteString(connection, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	if err != nil {
		r.t.Fatal(err)
	}
	answer := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(connection, answer); err != nil || !strings.Contains(string(answer), " 100 ") {
		r.t.Fatalf("%s, %v", answer, err)
	}
	return connection
}

func TestARequestThatTakesLongerThanAllowedIsCutOff(t *testing.T) {
	for name, test := range map[string]struct {
		within time.Duration
		stop   func(*running)
	}{
		"when the time is over": {50 * time.Millisecond, func(r *running) { r.stop() }},
		"by the second signal": {time.Hour, func(r *running) {
			r.stop()
			r.client.CloseIdleConnections()
			r.until(r.IngestURL()+"/health", unreachable)
			r.StopNow()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, serve.Config{Stop: serve.Stop{Within: test.within}})
			connection := g.beginByHand()
			test.stop(g)
			if err := <-g.stopped; err != nil {
				t.Errorf("Run: %v", err)
			}
			// The connection is closed by now: the limit is for when it is not.
			_ = connection.SetReadDeadline(time.Now().Add(time.Minute))
			rest, err := io.ReadAll(connection)
			if errors.Is(err, os.ErrDeadlineExceeded) || strings.Contains(string(rest), " 200 ") {
				t.Errorf("the caller read %q, %v", rest, err)
			}
		})
	}
}

func TestATailEndsWhenTheGatewayStops(t *testing.T) {
	g := start(t, serve.Config{Stop: serve.Stop{Within: time.Hour}})
	g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"hello"}`)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.OperationsURL()+"/v1/tail?n=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := g.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewReader(response.Body)
	if line, err := lines.ReadString('\n'); err != nil || !strings.HasSuffix(line, "-0\n") {
		t.Fatalf("first line %q, %v", line, err)
	}
	g.stop()
	if _, err := io.ReadAll(lines); err != nil {
		t.Errorf("the stream was cut, not ended: %v", err)
	}
	g.client.CloseIdleConnections()
	if err := <-g.stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
}
