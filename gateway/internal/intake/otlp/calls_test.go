package otlp_test

import (
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/otlp"
)

// call sends a body to the route of calls as it is, over HTTP/2, and returns the
// answer and the code of gRPC where there is one. Headers are name, value.
func call(s *otlp.Service, body string, headers ...string) (w *httptest.ResponseRecorder, code string) {
	r := httptest.NewRequest(http.MethodPost, otlp.RPCPath, strings.NewReader(body))
	r.ProtoMajor, r.ProtoMinor, r.Proto = 2, 0, "HTTP/2.0"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w = httptest.NewRecorder()
	intake.Identified(s.RPCHandler(largestCall)).ServeHTTP(w, r)
	result := w.Result()
	return w, result.Trailer.Get("Grpc-Status") + result.Header.Get("Grpc-Status")
}

// framed is a message in the frame of gRPC.
func framed(flags byte, message string) string {
	frame := binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(message)))
	return string(frame) + message
}

// TestR24Calls sends calls that are far too large, as they are and compressed,
// and counts what refusing them makes us allocate.
func TestR24Calls(t *testing.T) {
	const exhausted = "8" // gRPC's number
	blanks := strings.Repeat(" ", 64<<20)
	bomb := packed(t, blanks)["gzip"]
	grpc := []string{"Content-Type", "application/grpc", "Te", "trailers"}
	for name, c := range map[string]struct {
		body    string
		headers []string
	}{
		"gRPC":                  {framed(0, blanks[:8<<20]), grpc},
		"gRPC, a bomb":          {framed(1, bomb), append(grpc, "Grpc-Encoding", "gzip")},
		"Connect":               {blanks[:8<<20], []string{"Content-Type", "application/proto"}},
		"Connect, a bomb":       {bomb, []string{"Content-Type", "application/json", "Content-Encoding", "gzip"}},
		"Connect, many of them": {strings.Repeat(packed(t, blanks[:1<<20])["gzip"], 64), []string{"Content-Type", "application/proto", "Content-Encoding", "gzip"}},
	} {
		t.Run(name, func(t *testing.T) {
			var refused []intake.Refusal
			s := newService(intaketest.Nowhere{})
			s.Refused = func(r intake.Refusal) { refused = append(refused, r) }
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w, code := call(s, c.body, c.headers...)
			runtime.ReadMemStats(&after)
			if code != exhausted && (w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "resource_exhausted")) {
				t.Errorf("status %d, code %q: %.200s", w.Code, code, w.Body)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
				t.Errorf("refusing it allocated %d bytes, for a limit of 1 MiB", grown)
			}
			if used := s.Budget.Used(); used != 0 || len(refused) != 1 {
				t.Errorf("%d bytes are still held, told of %d refusals", used, len(refused))
			}
		})
	}
}

// TestWithoutMemoryToDecompressACallIsToBeSentAgain: an exporter gives up on
// RESOURCE_EXHAUSTED unless it is told when to come back.
func TestWithoutMemoryToDecompressACallIsToBeSentAgain(t *testing.T) {
	logs, r := oneRecord()
	r.Body().SetStr(strings.Repeat("x", 900_000))
	body := packed(t, wire(t, logs))["gzip"]
	s := newService(intaketest.Nowhere{})
	others := s.Budget.Lease()
	for left, want := range map[int64]int{100_000: http.StatusTooManyRequests, 32 << 20: http.StatusOK} {
		if err := others.Grow(256<<20 - left); err != nil {
			t.Fatal(err)
		}
		w, _ := call(s, body, "Content-Type", "application/proto", "Content-Encoding", "gzip")
		again := strings.Contains(w.Body.String(), "google.rpc.RetryInfo") && w.Header().Get("Retry-After") == "1"
		if w.Code != want || again != (want != http.StatusOK) {
			t.Errorf("%d bytes left: status %d, Retry-After %q: %s", left, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
		others.Release()
		if used := s.Budget.Used(); used != 0 {
			t.Errorf("%d bytes left: %d are still held", left, used)
		}
	}
}

// TestACallerWhoMayNotIsToldSoOnEveryProtocol: before the body is read.
func TestACallerWhoMayNotIsToldSoOnEveryProtocol(t *testing.T) {
	registry, err := caller.New(caller.Config{Enforce: true}, caller.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := newService(&intaketest.Recorder{})
	s.Callers = registry
	for contentType, want := range map[string]string{protobuf: "no ", asJSON: `"code":16`} {
		w := post(s, contentType, "not even a request")
		if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" || !strings.Contains(w.Body.String(), want) || w.Header().Get("Content-Type") != contentType {
			t.Errorf("%s: status %d, %v: %q", contentType, w.Code, w.Header(), w.Body)
		}
	}
	if _, code := call(s, framed(0, "x"), "Content-Type", "application/grpc", "Te", "trailers"); code != "16" {
		t.Errorf("gRPC: code %q", code)
	}
	if w, _ := call(s, "x", "Content-Type", "application/proto"); w.Code != http.StatusUnauthorized {
		t.Errorf("Connect: status %d", w.Code)
	}
}

// TestAnAnswerThatWasLostIsNoSecondEvent: an exporter sends the same request
// again, and what is only partly new is told apart.
func TestAnAnswerThatWasLostIsNoSecondEvent(t *testing.T) {
	s := &intaketest.Recorder{}
	service := newService(s)
	logs, first := oneRecord()
	first.SetEventName("a")
	first.SetTimestamp(1)
	first.CopyTo(logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty()) // twice, and meant so
	body := wire(t, logs)
	for range 3 {
		if w := post(service, protobuf, body); w.Code != http.StatusOK || w.Body.Len() != 0 {
			t.Fatalf("status %d: %q", w.Code, w.Body)
		}
	}
	if w := post(service, protobuf, packed(t, body)["gzip"], "Content-Encoding", "gzip"); w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	if n := len(s.Records()); n != 2 {
		t.Errorf("%d records of the same request, want 2", n)
	}
	first.SetTimestamp(2)
	post(service, protobuf, wire(t, logs))
	if n := len(s.Records()); n != 4 {
		t.Errorf("%d records, want 4: another request is another one", n)
	}
}

func TestRecordsWithoutANameAreRefusedWhereThatIsWanted(t *testing.T) {
	logs, _ := oneRecord()
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty().SetEventName("named")
	s := &intaketest.Recorder{}
	service := newService(s)
	service.Unnamed = otlp.Refuse
	w := post(service, asJSON, text(t, logs))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "record 0: blank_name: the record has neither an event name") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if r := s.Records(); len(r) != 1 || r[0].Event.Name != "named" || r[0].Event.Type != "" {
		t.Errorf("stored %+v", r)
	}
}

// TestWhatFailedIsToBeSentAgain: with the statuses that OTLP's clients send again
// for, and a google.rpc.Status.
func TestWhatFailedIsToBeSentAgain(t *testing.T) {
	logs, _ := oneRecord()
	for fail, want := range map[error]struct {
		status int
		body   string
	}{
		&daybook.Error{Code: daybook.Exhausted, Reason: "disk_full", Message: "the disk is full"}: {http.StatusTooManyRequests, `{"code":8,"message":"the disk is full"}`},
		daybook.ErrClosed: {http.StatusServiceUnavailable, `{"code":14,"message":"the gateway is stopping; try again shortly"}`},
	} {
		w := post(newService(&intaketest.Recorder{Fail: fail}), asJSON, text(t, logs))
		if w.Code != want.status || w.Header().Get("Retry-After") != "1" || w.Body.String() != want.body {
			t.Errorf("%v: status %d, Retry-After %q, %s", fail, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
}
