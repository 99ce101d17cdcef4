package telemetrygateway_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/telemetrygateway"
)

func wire(t testing.TB, m proto.Message) string {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// framed is a message in the frame of gRPC.
func framed(flags byte, message string) string {
	frame := binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(message)))
	return string(frame) + message
}

// field is field n of Protocol Buffers with bytes in it.
func field(n int, value string) string {
	tag := binary.AppendUvarint(nil, uint64(n)<<3|2)
	return string(binary.AppendUvarint(tag, uint64(len(value)))) + value
}

// raw sends frames over gRPC and returns the answers' bytes and the status.
func (s *server) raw(t testing.TB, body io.Reader, headers ...string) (answers, status string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+recordEvents, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("TE", "trailers")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.h2.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), response.Trailer.Get("Grpc-Status") + response.Header.Get("Grpc-Status")
}

// The numbers that gRPC has for its codes.
const (
	ok              = "0"
	invalidArgument = "3"
	exhausted       = "8"
	unavailable     = "14"
)

// TestR23 sends messages that are none, or barely.
func TestR23(t *testing.T) {
	greeting := framed(0, wire(t, hello(unlicensed("i"))))
	nested := "x"
	for range 10_000 {
		nested = field(1, field(2, field(5, nested)))
	}
	private := field(2, field(1, wire(t, valid("never"))+field(6, field(3, nested))))
	for name, c := range map[string]struct {
		message string
		status  string
		answer  string
	}{
		"cut off in a tag":                  {"\x80", invalidArgument, ""},
		"cut off in a length":               {"\x12\xff", invalidArgument, ""},
		"cut off in its content":            {"\x12\x05ab", invalidArgument, ""},
		"a varint of eleven bytes":          {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", invalidArgument, ""},
		"the field 0":                       {"\x02\x00", invalidArgument, ""},
		"a group that does not end":         {"\x1b", invalidArgument, ""},
		"unknown fields only":               {field(15, "x") + "\xf8\xff\xff\x7f\x01", ok, ""},
		"unknown fields around a payload":   {field(9, "x") + wire(t, payload(valid("1"))) + field(9, "x"), ok, framed(0, field(1, "1"))},
		"an unknown field in an event":      {field(2, field(1, wire(t, valid("1"))+field(999, "new"))), ok, framed(0, field(1, "1"))},
		"a malformed event among others":    {field(2, field(1, wire(t, valid("1")))+field(1, field(1, "bad")+"\xff")+field(1, wire(t, valid("2")))), ok, framed(0, field(1, "1")+field(1, "bad")+field(1, "2"))},
		"an event whose texts are no texts": {field(2, field(1, wire(t, valid("1"))+field(3, "\xff"))), ok, framed(0, field(1, "1"))},
		"deep nesting in what is not kept":  {private, ok, framed(0, field(1, "never"))},
	} {
		t.Run(name, func(t *testing.T) {
			answers, status := newGateway().listen(t).raw(t, strings.NewReader(greeting+framed(0, c.message)))
			if status != c.status || answers != c.answer {
				t.Errorf("status %s, answered %q; want %s and %q", status, answers, c.status, c.answer)
			}
		})
	}
}

// TestVeryManyEventsTakeBoundedMemory: two bytes of a message are an event.
func TestVeryManyEventsTakeBoundedMemory(t *testing.T) {
	const events = 300_000
	g := newGateway()
	g.accepter.Quarantine = -1 // nothing of it is kept
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	peak := int64(0)
	g.Observe.Payload = func(_ telemetrygateway.Source, n, succeeded int) {
		peak = g.Budget.Used()
		if n != events || succeeded != 0 {
			t.Errorf("%d events, %d succeeded", n, succeeded)
		}
	}
	message := framed(0, wire(t, hello(unlicensed("i")))) + framed(0, field(2, strings.Repeat("\x0a\x00", events)))
	if _, status := g.listen(t).raw(t, strings.NewReader(message)); status != ok {
		t.Errorf("status %s", status)
	}
	runtime.ReadMemStats(&after)
	if peak > 8<<20 {
		t.Errorf("%d bytes were charged at the end", peak)
	}
}

// TestR24 sends a message of a quarter of a mebibyte that would become 256 MiB.
func TestR24(t *testing.T) {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	for range 1 << 8 {
		_, _ = w.Write(make([]byte, 1<<20))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, message := range map[string]string{
		"first":             framed(1, bomb.String()),
		"from one let in":   framed(0, wire(t, hello(unlicensed("i")))) + framed(1, bomb.String()),
		"announced, 4 GiB":  "\x00\xff\xff\xff\xff" + strings.Repeat("x", 2<<20),
		"let in, announced": framed(0, wire(t, hello(unlicensed("i")))) + "\x00\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			g.MaxMessage = 8 << 20
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, status := g.listen(t).raw(t, strings.NewReader(message), "Grpc-Encoding", "gzip")
			runtime.ReadMemStats(&after)
			if status != exhausted {
				t.Errorf("status %s", status)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 128<<20 { // buffers grow by doubling up to the limit, and are let go on the way
				t.Errorf("refusing it allocated %d bytes", grown)
			}
		})
	}
}

// TestACompressedMessageIsPaidForUntilAllOfItIsStored: what it has become is held
// for as long as its events are worked through.
func TestACompressedMessageIsPaidForUntilAllOfItIsStored(t *testing.T) {
	var events []*event
	for i := range 40 {
		events = append(events, with(fmt.Sprint(i), func(e *event) {
			e.Source = &telemetrygatewayv1.EventSource{Server: &telemetrygatewayv1.EventSource_Server{Version: strings.Repeat("x", 500_000)}}
		}))
	}
	for name, options := range map[string][]connect.ClientOption{"as it is": {connect.WithGRPC()}, "compressed": {connect.WithGRPC(), connect.WithSendGzip()}} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			var held atomic.Int64
			held.Store(math.MaxInt64)
			g.store.Queued = func() { held.Store(min(held.Load(), g.Budget.Used())) }
			answers, err := exchange(g.listen(t).open(t, options...), hello(unlicensed("i")), payload(events...))
			if err != nil || len(answers) != 1 || len(answers[0]) != len(events) {
				t.Fatalf("%d answers, %v", len(answers), err)
			}
			if held.Load() < 20_000_000 {
				t.Errorf("while events of 20 MB were stored, only %d bytes were charged", held.Load())
			}
		})
	}
}

// TestR26 opens very many streams at once and resets each in the middle. The
// gateway gives back what it took for them, and serves others.
func TestR26(t *testing.T) {
	s := newGateway().listen(t)
	before := runtime.NumGoroutine()
	for range 500 {
		reader, writer := io.Pipe()
		r, err := http.NewRequest(http.MethodPost, s.url+recordEvents, reader)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/grpc")
		ctx, reset := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if response, err := s.h2.Do(r.WithContext(ctx)); err == nil {
				_ = response.Body.Close()
			}
		}()
		_, _ = io.WriteString(writer, framed(0, wire(t, hello(unlicensed("i"))))+framed(0, wire(t, payload(valid("1"))))[:12])
		reset()
		<-done
		_ = writer.Close()
	}
	answers, err := s.session(t, hello(unlicensed("i")), payload(valid("2")))
	requireAnswers(t, answers, err, []string{"2"})
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before+20; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// TestR25: who has not said who it is holds a stream for a bounded time, however it
// moves. Who has may be silent for long.
func TestR25AStreamSaysSoonWhoSends(t *testing.T) {
	greeting := framed(0, wire(t, hello(unlicensed("i"))))
	for name, begin := range map[string]string{"nothing": "", "empty messages": framed(0, ""), "half a greeting": greeting[:8]} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			g.Introduction = 100 * time.Millisecond
			s := g.listen(t)
			reader, writer := io.Pipe()
			ended := make(chan struct{})
			go func() { // a byte now and then: something moves
				defer writer.Close()
				_, _ = io.WriteString(writer, begin)
				rest := greeting[8:]
				if begin != greeting[:8] {
					rest = strings.Repeat(framed(0, ""), 1000)
				}
				rest = rest[:len(rest)-1] // however late the gateway looks, it has not been told
				for _, b := range []byte(rest) {
					select {
					case <-ended:
						return
					case <-time.After(30 * time.Millisecond):
						_, _ = writer.Write([]byte{b})
					}
				}
				<-ended
			}()
			_, status := s.raw(t, reader)
			close(ended)
			if status != unavailable {
				t.Errorf("status %s", status)
			}
			if r := <-g.refused; r.Err.Reason != "stream_idle" {
				t.Errorf("refused for %s", r.Err.Reason)
			}
		})
	}
	within(t, func(limit time.Duration) error {
		g := newGateway()
		g.Introduction = limit
		st := g.listen(t).open(t)
		if err := st.Send(hello(unlicensed("i"))); err != nil {
			return err
		}
		<-time.After(3 * limit)
		answers, err := exchange(st, payload(valid("1")))
		if err != nil {
			return err
		}
		requireAnswers(t, answers, nil, []string{"1"})
		return nil
	})
}

// TestPingsWithoutStreamsAreAnswered: deployed clients keep connections alive with
// a ping every 20 seconds, whether a stream is open or not. A hundred in a row are
// an hour of them.
func TestPingsWithoutStreamsAreAnswered(t *testing.T) {
	s := newGateway().listen(t)
	connection, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	const settings, ping, goAway = 4, 6, 7
	frame := func(kind, flags byte, payload string) string {
		return string([]byte{0, 0, byte(len(payload)), kind, flags, 0, 0, 0, 0}) + payload
	}
	send := func(text string) {
		if _, err := io.WriteString(connection, text); err != nil {
			t.Fatal(err)
		}
	}
	send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, ""))
	for n := range 100 {
		payload := fmt.Sprintf("ping%04d", n)
		send(frame(ping, 0, payload))
		for answered := false; !answered; {
			head := make([]byte, 9)
			if _, err := io.ReadFull(connection, head); err != nil {
				t.Fatal(err)
			}
			body := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
			if _, err := io.ReadFull(connection, body); err != nil {
				t.Fatal(err)
			}
			if head[3] == goAway {
				t.Fatalf("the connection is closed after %d pings: %q", n, body)
			}
			answered = head[3] == ping && string(body) == payload
		}
	}
}

// TestR28 puts what is the gateway's own into an event, where it could be.
func TestR28(t *testing.T) {
	g := newGateway()
	spoof := field(15, "_eventLog") + field(2000, `{"_eventLog":{}}`)
	message := field(2, field(1, wire(t, valid("1"))+spoof))
	if _, status := g.listen(t).raw(t, strings.NewReader(framed(0, wire(t, hello(unlicensed("i"))))+framed(0, message))); status != ok {
		t.Fatalf("status %s", status)
	}
	r := g.store.Records()[0]
	if n := strings.Count(string(r.Event.Metadata), "_eventLog"); n != 1 || r.Caller != "instances" || r.Instance != "test" {
		t.Errorf("stored %+v: %s", r, r.Event.Metadata)
	}
}

// TestR30 plants secrets where they are sent, and looks for them everywhere they
// must not get to: what is stored, answers, errors.
func TestR30(t *testing.T) {
	const canary = "canary-7f3a"
	private, err := structpb.NewStruct(map[string]any{"query": canary + "-allowed", "secret": canary, "lang": map[string]any{"inside": canary}})
	if err != nil {
		t.Fatal(err)
	}
	leaky := func(id string) *event {
		return with(id, func(e *event) {
			e.Parameters = &telemetrygatewayv1.EventParameters{PrivateMetadata: private}
			e.MarketingTracking = &telemetrygatewayv1.EventMarketingTracking{Url: proto.String(canary)}
		})
	}
	g := newGateway()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	g.Refused = func(r intake.Refusal) { logger.Info("refused", "err", r.Err) }
	permitted, err := telemetrygateway.ParseAllowed([]string{"search::run::query::lang"})
	if err != nil {
		t.Fatal(err)
	}
	g.Private.Set(permitted)
	s := g.listen(t)
	bad := leaky("bad")
	bad.Timestamp = nil
	_, err = s.session(t, hello(licensed(goodKey, "i")), payload(leaky("1"), bad))
	requireAnswers(t, nil, err)
	_, err = s.session(t, hello(licensed(canary+"-key", "i")), payload(leaky("2")))
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("ended with %v", err)
	}
	st := s.open(t, connect.WithGRPC())
	st.RequestHeader().Set("Authorization", "Bearer "+canary)
	_, err = exchange(st, hello(managed("s")))
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("ended with %v", err)
	}
	if strings.Contains(log.String(), canary) {
		t.Errorf("logged %s", log.String())
	}
	records := g.store.Records()
	if len(records) != 2 {
		t.Fatalf("%d records", len(records))
	}
	for _, r := range records {
		kept := strings.ReplaceAll(string(r.Event.Metadata), canary+"-allowed", "")
		if strings.Contains(kept, canary) || strings.Contains(kept, goodKey) {
			t.Errorf("kept %s", kept)
		}
		if !strings.Contains(kept, `"licenseKey":"sha256:`) || !strings.Contains(kept, `"privateMetadata":{"lang":"left out: not a string","query":""}`) {
			t.Errorf("kept %s", kept)
		}
	}
}

func TestWhatIsAboutMarketingStaysOfPublicSendersOnly(t *testing.T) {
	tracked := with("1", func(e *event) {
		e.MarketingTracking = &telemetrygatewayv1.EventMarketingTracking{Url: new("https://example.com/pricing")}
	})
	for name, c := range map[string]struct {
		identifier *telemetrygatewayv1.Identifier
		stays      bool
	}{"an instance": {licensed(goodKey, "i"), false}, "a service that is public": {managed("s"), true}} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			st := g.listen(t).open(t)
			st.RequestHeader().Set("Authorization", goodToken)
			answers, err := exchange(st, hello(c.identifier), payload(tracked))
			requireAnswers(t, answers, err, []string{"1"})
			if kept := strings.Contains(string(g.store.Records()[0].Event.Metadata), "marketingTracking"); kept != c.stays {
				t.Errorf("it is kept: %t", kept)
			}
		})
	}
}
