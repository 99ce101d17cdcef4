package serve_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"daybook.dev/gateway/internal/serve"
)

// A hostile is a peer that speaks HTTP/2 as no client does, frame by frame.
type hostile struct {
	*http2.Framer
	t      *testing.T
	conn   net.Conn
	server *victim
}

// A victim is the gateway's server with a handler that works until its request is
// over, and counts.
type victim struct {
	address   string
	now, peak atomic.Int64 // handlers at work
	handled   atomic.Int64
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	v := &victim{}
	server := serve.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.handled.Add(1)
		n := v.now.Add(1)
		defer v.now.Add(-1)
		for peak := v.peak.Load(); n > peak && !v.peak.CompareAndSwap(peak, n); peak = v.peak.Load() {
		}
		switch r.URL.Path {
		case "/wait":
			<-r.Context().Done()
		case "/large":
			_, _ = w.Write(make([]byte, 1<<20)) // until nobody wants it
		}
	}), slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		waitFor(t, "the last handler", func() bool { return v.now.Load() == 0 })
	})
	v.address = l.Addr().String()
	return v
}

// attack connects to the victim.
func (v *victim) attack(t *testing.T, settings ...http2.Setting) *hostile {
	t.Helper()
	c, err := net.Dial("tcp", v.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	h := &hostile{Framer: http2.NewFramer(c, c), t: t, conn: c, server: v}
	open(t, c, h.Framer, settings...)
	return h
}

// healthy wants an ordinary client to be answered.
func (v *victim) healthy(t *testing.T) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	response, err := client.Get("http://" + v.address + "/")
	if err != nil {
		t.Errorf("a healthy caller: %v", err)
		return
	}
	_ = response.Body.Close()
}

// swallow takes what the server says, until the connection ends.
func (h *hostile) swallow() {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, h.conn)
	}()
	h.t.Cleanup(func() {
		_ = h.conn.Close()
		<-ended
	})
}

// until sends again and again, and returns how often it could before the server
// hung up.
func (h *hostile) until(most int, send func(n int) error) int {
	for n := range most {
		_ = h.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
		if send(n) != nil {
			return n
		}
	}
	return most
}

func TestR26RapidResetDoesNotMultiplyWork(t *testing.T) {
	v := newVictim(t)
	h := v.attack(t)
	h.swallow()
	const most = 20_000
	sent := h.until(most, func(n int) error {
		id := uint32(2*n + 1)
		return errors.Join(
			h.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: headers("/wait"), EndHeaders: true, EndStream: true}),
			h.WriteRSTStream(id, http2.ErrCodeCancel))
	})
	v.healthy(t)
	waitFor(t, "the handlers to end", func() bool { return v.now.Load() == 0 })
	if peak := v.peak.Load(); peak > 251 {
		t.Errorf("%d handlers were at work at once for one connection", peak)
	}
	t.Logf("%d requests begun and reset, %d handled, at most %d at once", sent, v.handled.Load(), v.peak.Load())
}

func TestR26OneConnectionHasABoundedNumberOfStreams(t *testing.T) {
	v := newVictim(t)
	h := v.attack(t)
	sent := h.until(10_000, func(n int) error {
		return h.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*n + 1), BlockFragment: headers("/wait"), EndHeaders: true, EndStream: true})
	})
	v.healthy(t)
	if peak := v.peak.Load(); peak > 251 {
		t.Errorf("%d handlers are at work at once for one connection", peak)
	}
	t.Logf("%d streams opened, at most %d at once", sent, v.peak.Load())
	_ = h.conn.Close()
}

func TestR26HeadersWithoutEndCloseTheConnection(t *testing.T) {
	for name, block := range map[string][]byte{
		"full":  headers("/", hpack.HeaderField{Name: "x-long", Value: strings.Repeat("a", 8<<10)}),
		"empty": nil,
	} {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t)
			h := v.attack(t)
			if err := h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers("/wait"), EndStream: true}); err != nil {
				t.Fatal(err)
			}
			const most = 20_000
			sent := h.until(most, func(int) error { return h.WriteContinuation(1, false, block) })
			if len(block) > 0 && sent == most {
				t.Errorf("%d frames of %d bytes were taken", sent, len(block))
			}
			v.healthy(t)
			if n := v.handled.Load(); n != 1 {
				t.Errorf("%d requests were handled, want the healthy one", n)
			}
			t.Logf("hung up after %d frames", sent)
		})
	}
}

// A header that says again what the table has costs its sender a byte.
func TestR26HeadersThatUnpackToMuchAreRefused(t *testing.T) {
	v := newVictim(t)
	h := v.attack(t)
	var block strings.Builder
	e := hpack.NewEncoder(&block)
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "x"}, {Name: ":path", Value: "/wait"},
	} {
		_ = e.WriteField(f)
	}
	for range 10_000 {
		_ = e.WriteField(hpack.HeaderField{Name: "x-bomb", Value: strings.Repeat("a", 3000)})
	}
	text := []byte(block.String())
	if len(text) > 16<<10 {
		t.Fatalf("the bomb has %d bytes: no frame", len(text))
	}
	if err := h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: text, EndHeaders: true, EndStream: true}); err != nil {
		t.Fatal(err)
	}
	v.healthy(t)
	if n := v.handled.Load(); n != 1 {
		t.Errorf("%d requests were handled, want the healthy one: %d bytes became 30 MB of headers", n, len(text))
	}
}

func TestR26FramesThatAskForAnswersNobodyReadsCloseTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		most int
		hung bool // up, before all were sent
		send func(f *http2.Framer, n int) error
	}{
		"settings": {200_000, false, func(f *http2.Framer, _ int) error { return f.WriteSettings() }}, // one answer is for all before it
		"pings":    {2_000_000, true, func(f *http2.Framer, n int) error { return f.WritePing(false, [8]byte{byte(n)}) }},
		"data on a stream that is closed": {100_000, false, func(f *http2.Framer, n int) error {
			if n > 0 {
				return f.WriteData(1, false, []byte("a"))
			}
			return errors.Join(
				f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers("/"), EndHeaders: true}), f.WriteRSTStream(1, http2.ErrCodeCancel))
		}},
		"priorities": {100_000, false, func(f *http2.Framer, n int) error {
			return f.WritePriority(uint32(2*n+1), http2.PriorityParam{StreamDep: uint32(2*n + 3), Weight: 1})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t)
			h := v.attack(t)
			const together = 1000 // so that it is the server who has the work
			var frames bytes.Buffer
			f := http2.NewFramer(&frames, nil)
			sent := together * h.until(c.most/together, func(n int) error {
				frames.Reset()
				for i := range together {
					if err := c.send(f, n*together+i); err != nil {
						return err
					}
				}
				_, err := h.conn.Write(frames.Bytes())
				return err
			})
			v.healthy(t)
			if c.hung && sent == c.most {
				t.Errorf("%d frames were answered for nobody", sent)
			}
			t.Logf("%d frames", sent)
		})
	}
}

// TestR26AWindowThatStaysShut: the answers wait, and others do not wait for them.
func TestR26AWindowThatStaysShut(t *testing.T) {
	v := newVictim(t)
	h := v.attack(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	h.swallow()
	for n := range 200 {
		err := h.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*n + 1), BlockFragment: headers("/large"), EndHeaders: true, EndStream: true})
		if err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "the handlers", func() bool { return v.now.Load() == 200 })
	v.healthy(t)
	_ = h.conn.Close()
	waitFor(t, "the handlers to end", func() bool { return v.now.Load() == 0 })
}
