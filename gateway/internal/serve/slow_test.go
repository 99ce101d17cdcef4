package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"daybook.dev/gateway/internal/serve"
)

// A pipes is a listener of connections in memory, whose time is the test's.
type pipes struct {
	waiting chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newPipes() *pipes {
	return &pipes{waiting: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.waiting:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.waiting <- far
	return near
}

// serving runs the gateway's server on connections in memory, and returns where
// they are made.
func serving(t *testing.T, handler http.HandlerFunc) *pipes {
	t.Helper()
	p := newPipes()
	server := serve.NewServer(handler, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(p) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return p
}

// lasts returns after how long the server has closed the connection, while send is
// called once every pause to send more.
func lasts(t *testing.T, c net.Conn, pause time.Duration, send func() error) time.Duration {
	t.Helper()
	begin := time.Now()
	closed := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, c) // what is answered does not matter here
		close(closed)
	}()
	for {
		select {
		case <-closed:
			_ = c.Close()
			return time.Since(begin)
		case <-time.After(pause):
			_ = c.SetWriteDeadline(time.Now().Add(pause))
			if send != nil && send() != nil {
				send = nil
			}
		}
		if time.Since(begin) > time.Hour {
			t.Error("the connection lasts for more than an hour")
			_ = c.Close()
			<-closed
			return time.Since(begin)
		}
	}
}

// readAll is a handler that takes a body as intakes do.
func readAll(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
}

func TestR25SlowPeersHoldAConnectionForABoundedTime(t *testing.T) {
	for name, c := range map[string]struct {
		first  string
		more   string
		pause  time.Duration
		within time.Duration
	}{
		"nothing at all":          {"", "", time.Second, 10 * time.Second},
		"half a request line":     {"POST /v1/ev", "", time.Second, 10 * time.Second},
		"a header now and then":   {"POST /v1/events HTTP/1.1\r\nHost: x\r\n", "X-Slow: a\r\n", 3 * time.Second, 13 * time.Second},
		"headers without end":     {"POST /v1/events HTTP/1.1\r\nHost: x\r\n", strings.Repeat("X-Long: "+strings.Repeat("a", 1000)+"\r\n", 8), time.Second, 11 * time.Second},
		"a body byte by byte":     {"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", "a", 3 * time.Second, 123 * time.Second},
		"a chunk now and then":    {"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", 3 * time.Second, 123 * time.Second},
		"a body that never comes": {"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", "", time.Second, 2*time.Minute + time.Second},
		"one request, then none":  {"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "", time.Second, 2*time.Minute + time.Second},
		"half an HTTP/2 preface":  {"PRI * HTTP/2.0\r\n\r\n", "", time.Second, 20 * time.Second},
		"HTTP/2 without settings": {http2.ClientPreface, "", time.Second, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := serving(t, readAll)
				conn := p.dial()
				if _, err := io.WriteString(conn, c.first); err != nil {
					t.Fatal(err)
				}
				got := lasts(t, conn, c.pause, func() error { _, err := io.WriteString(conn, c.more); return err })
				if got > c.within || got < time.Second && name != "headers without end" {
					t.Errorf("it lasted %v, want at most %v and time enough to be sent", got, c.within)
				}
			})
		})
	}
}

func TestR25APeerThatTakesNoAnswerIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan time.Duration, 1)
		p := serving(t, func(w http.ResponseWriter, _ *http.Request) {
			begin := time.Now()
			text := make([]byte, 64<<10)
			for err := error(nil); err == nil; {
				_, err = w.Write(text)
			}
			left <- time.Since(begin)
		})
		conn := p.dial()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if got := <-left; got > 3*time.Minute+time.Second {
			t.Errorf("the handler was held for %v", got)
		}
		_ = conn.Close()
	})
}

// TestR25APeerThatIsGoneIsNoticed: its stream may last for ever, as the telemetry
// gateway's do, so no other limit would close the connection.
func TestR25APeerThatIsGoneIsNoticed(t *testing.T) {
	for name, answers := range map[string]bool{"it takes bytes and answers nothing": true, "it takes nothing": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				noticed := make(chan time.Duration, 1)
				p := serving(t, func(w http.ResponseWriter, r *http.Request) {
					begin := time.Now()
					control := http.NewResponseController(w)
					if err := errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{}), control.Flush()); err != nil {
						t.Error(err)
					}
					_, _ = io.Copy(io.Discard, r.Body)
					noticed <- time.Since(begin)
				})
				conn := p.dial()
				stop := make(chan struct{})
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					for { // the handshake is taken, and what comes later where it is a machine that swallows
						frame, err := http2.NewFramer(nil, conn).ReadFrame()
						if err != nil {
							return
						}
						if _, ok := frame.(*http2.HeadersFrame); ok && !answers {
							<-stop
							return
						}
					}
				}()
				f := http2.NewFramer(conn, nil)
				open(t, conn, f)
				if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers("/v1/events"), EndHeaders: true}); err != nil {
					t.Fatal(err)
				}
				if got := <-noticed; got > 2*time.Minute {
					t.Errorf("it took %v", got)
				}
				close(stop)
				_ = conn.Close()
				<-gone
			})
		})
	}
}

// TestR25ALongStreamIsNotCut holds that the limits of ordinary requests can be put
// aside by a handler that knows better.
func TestR25ALongStreamIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := make(chan int, 1)
		p := serving(t, func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			if err := errors.Join(control.EnableFullDuplex(), control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{}), control.Flush()); err != nil {
				t.Error(err)
			}
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil {
				t.Error(err)
			}
			read <- int(n)
		})
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{
			Protocols:   protocols,
			DialContext: func(context.Context, string, string) (net.Conn, error) { return p.dial(), nil },
		}
		body, feed := io.Pipe()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/", body)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			response, err := transport.RoundTrip(request)
			if err == nil {
				_, err = io.Copy(io.Discard, response.Body) // closed earlier, it would end the request
				_ = response.Body.Close()
			}
			answered <- err
		}()
		for range 60 { // an hour
			time.Sleep(time.Minute)
			if _, err := feed.Write([]byte("a")); err != nil {
				t.Fatal(err)
			}
		}
		_ = feed.Close()
		if err := <-answered; err != nil {
			t.Error(err)
		}
		if n := <-read; n != 60 {
			t.Errorf("read %d bytes", n)
		}
		transport.CloseIdleConnections()
	})
}

// open begins HTTP/2 on a connection.
func open(t *testing.T, c net.Conn, f *http2.Framer, settings ...http2.Setting) {
	t.Helper()
	_, err := io.WriteString(c, http2.ClientPreface)
	if err == nil {
		err = f.WriteSettings(settings...)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// headers is a POST of that path, encoded.
func headers(path string, more ...hpack.HeaderField) []byte {
	var block strings.Builder
	e := hpack.NewEncoder(&block)
	for _, f := range append([]hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "x"}, {Name: ":path", Value: path},
	}, more...) {
		_ = e.WriteField(f) // into memory
	}
	return []byte(block.String())
}

// TestR25AFloodOfConnectionsKeepsNobodyOut opens many times the connections that
// the gateway takes, idle ones and ones that send their headers forever. Whoever
// sends a request at once is answered: while one of theirs is on its way, no more
// than a fifth of what the gateway takes comes behind it, however busy the machine.
func TestR25AFloodOfConnectionsKeepsNobodyOut(t *testing.T) {
	const most, flood, wave = 100, 1000, 20
	g := start(t, serve.Config{Limits: serve.Limits{Connections: most}})
	address := strings.TrimPrefix(g.IngestURL(), "http://")
	healthy := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer healthy.CloseIdleConnections()
	var stop atomic.Bool
	var sent [4]atomic.Int64 // by each who is healthy
	var failed atomic.Int64
	var work sync.WaitGroup
	for who := range sent {
		work.Go(func() {
			for !stop.Load() {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.IngestURL()+"/v1/events", strings.NewReader(`{"event_name":"hello"}`))
				if err != nil {
					t.Error(err)
					return
				}
				request.GetBody = nil // an idle connection that was closed meanwhile is the client's to replace
				response, err := healthy.Do(request)
				sent[who].Add(1)
				if err != nil || response.StatusCode != http.StatusOK {
					failed.Add(1)
				}
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
				}
			}
		})
	}
	answered := func(each int64) {
		for who := range sent {
			until := sent[who].Load() + each
			waitFor(t, "healthy callers behind the flood", func() bool { return sent[who].Load() >= until })
		}
	}
	flooded := make([]net.Conn, 0, flood)
	for n := range flood {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		flooded = append(flooded, c)
		if n%2 == 0 { // the server may have closed it already
			_, _ = fmt.Fprintf(c, "POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Slow: %d\r\n", n)
		}
		if n%wave == wave-1 {
			answered(2) // one of them was begun behind the wave
		}
	}
	answered(25)
	stop.Store(true)
	work.Wait()
	if f := failed.Load(); f > 0 {
		t.Errorf("%d healthy requests failed", f)
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	if n := metric(t, metrics, `daybook_connections{listener="ingest"}`); n > most {
		t.Errorf("%v connections are open, want at most %d", n, most)
	}
	if n := metric(t, metrics, `daybook_connections_closed_total{listener="ingest",which="idle"}`); n < flood-most-8 {
		t.Errorf("%v connections were counted as closed", n)
	}
	for _, c := range flooded {
		_ = c.Close()
	}
}

// metric returns the value of a line of the metrics, 0 where there is none.
func metric(t *testing.T, metrics, name string) float64 {
	t.Helper()
	for line := range strings.Lines(metrics) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return 0
}
