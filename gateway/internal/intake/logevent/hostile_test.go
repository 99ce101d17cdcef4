package logevent_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/structpb"

	eventsv1 "daybook.dev/gateway/internal/gen/events/v1"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/logevent"
)

func gzipped(t testing.TB, parts ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, part := range parts {
		w := gzip.NewWriter(&b)
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// framed is a message in the frame of gRPC.
func framed(flags byte, message string) string {
	frame := binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(message)))
	return string(frame) + message
}

// raw sends a body as it is over HTTP/2 and returns the code of the answer in
// the words of Connect, or the number that gRPC says.
func (s *server) raw(t testing.TB, body string, headers ...string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+logevent.Path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
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
	if status := response.Trailer.Get("Grpc-Status") + response.Header.Get("Grpc-Status"); status != "" {
		return status
	}
	_, code, _ := bytes.Cut(text, []byte(`"code":"`))
	code, _, _ = bytes.Cut(code, []byte(`"`))
	if len(code) == 0 {
		return response.Status
	}
	return string(code)
}

// exhausted is gRPC's number for resource_exhausted.
const exhausted = "8"

// TestR24 sends bodies that are far too large, as they are and compressed, and
// counts what refusing them makes us allocate.
func TestR24(t *testing.T) {
	const size = 64 << 20
	blanks := strings.Repeat(" ", size)
	bomb := gzipped(t, blanks)
	members := gzipped(t, blanks[:size/4], blanks[:size/4], blanks[:size/4], blanks[:size/4])
	grpc := []string{"Content-Type", "application/grpc+json", "Te", "trailers"}
	for name, c := range map[string]struct {
		body    string
		headers []string
		want    string
	}{
		"Connect JSON":                {blanks[:8<<20], []string{"Content-Type", "application/json"}, "resource_exhausted"},
		"Connect JSON, other charset": {blanks[:8<<20], []string{"Content-Type", "application/json; charset=UTF-8"}, "resource_exhausted"},
		"Connect proto":               {blanks[:8<<20], []string{"Content-Type", "application/proto"}, "resource_exhausted"},
		"gRPC":                        {framed(0, blanks[:8<<20]), grpc, exhausted},
		"gRPC, announced":             {framed(0, blanks)[:100], grpc, exhausted},
		"Connect, a bomb":             {bomb, []string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, "resource_exhausted"},
		"Connect proto, a bomb":       {bomb, []string{"Content-Type", "application/proto", "Content-Encoding", "gzip"}, "resource_exhausted"},
		"Connect, many members":       {members, []string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, "resource_exhausted"},
		"gRPC, a bomb":                {framed(1, bomb), append(grpc, "Grpc-Encoding", "gzip"), exhausted},
		"Connect, cut off":            {bomb[:100], []string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, "invalid_argument"},
		"Connect, not compressed":     {event(""), []string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, "invalid_argument"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newGateway().listen(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := s.raw(t, c.body, c.headers...)
			runtime.ReadMemStats(&after)
			if got != c.want {
				t.Errorf("answered %q, want %q", got, c.want)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
				t.Errorf("refusing it allocated %d bytes, for a limit of 1 MiB", grown)
			}
			if n := len(s.store.Records()); n != 0 {
				t.Errorf("%d records stored", n)
			}
		})
	}
}

// TestWhatIsCompressedIsChargedForWhatItBecomes: for that, and as it grows. To
// charge for the most that it could become would turn away small calls when a few
// come at once, and let a few that send nothing turn away everybody.
func TestWhatIsCompressedIsChargedForWhatItBecomes(t *testing.T) {
	large := event(`"unknown":"` + strings.Repeat("x", 500_000) + `"`)
	for name, c := range map[string]struct {
		body    string
		headers []string
		want    string
	}{
		"Connect":                       {event(""), []string{"Content-Type", "application/json; charset=UTF-8"}, "200 OK"},
		"Connect, compressed":           {gzipped(t, event("")), []string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, "200 OK"},
		"Connect, large when it is not": {gzipped(t, large), []string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, "resource_exhausted"},
		"gRPC":                          {framed(0, event("")), []string{"Content-Type", "application/grpc+json", "Te", "trailers"}, "0"},
		"gRPC, compressed":              {framed(1, gzipped(t, event(""))), []string{"Content-Type", "application/grpc+json", "Te", "trailers", "Grpc-Encoding", "gzip"}, "0"},
		"gRPC, large when it is not":    {framed(1, gzipped(t, large)), []string{"Content-Type", "application/grpc+json", "Te", "trailers", "Grpc-Encoding", "gzip"}, exhausted},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			g.Budget = intake.NewBudget(400_000)
			if got := g.listen(t).raw(t, c.body, c.headers...); got != c.want {
				t.Errorf("answered %q, want %q", got, c.want)
			}
			if used := g.Budget.Used(); used != 0 {
				t.Errorf("%d bytes are still held", used)
			}
		})
	}
}

// TestR28 spoofs what only the gateway says, in every encoding.
func TestR28(t *testing.T) {
	g := newGateway()
	s := g.listen(t)
	t.Run("the envelope is refused", func(t *testing.T) {
		for name, client := range s.clients() {
			metadata, err := structpb.NewStruct(map[string]any{"a": 1, "_eventLog": map[string]any{"caller": map[string]any{"actorId": "root"}}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.CallUnary(t.Context(), connect.NewRequest(&eventsv1.LogEventRequest{EventName: "a", Metadata: metadata}))
			if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "metadata._eventLog is reserved") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := len(g.store.Records()); n != 0 {
			t.Errorf("%d records stored", n)
		}
	})
	t.Run("what is no field is ignored", func(t *testing.T) {
		spoof := `"event_id":"mine","eventId":"mine","ingested_at":"1999-01-01T00:00:00Z","caller":"root","protocol":"http","instance":"evil","_eventLog":{"caller":{"actorId":"root"}}`
		for _, sent := range []struct{ body, contentType string }{
			{event(spoof), "application/json"},
			{event(spoof), "application/json; charset=UTF-8"},
			{field(nameField, "a") + field(8, "mine") + field(9, "root"), "application/proto"},
		} {
			if got := s.raw(t, sent.body, "Content-Type", sent.contentType); got != "200 OK" {
				t.Errorf("%s: %s", sent.contentType, got)
			}
		}
		if got := s.raw(t, framed(0, field(nameField, "a")+field(8, "mine")), "Content-Type", "application/grpc", "Te", "trailers"); got != "0" {
			t.Errorf("gRPC: %s", got)
		}
		records := g.store.Records()
		if len(records) != 4 {
			t.Fatalf("%d records stored, want 4", len(records))
		}
		for _, r := range records {
			if r.Event.ID == "mine" || r.Caller != "anonymous" || r.Protocol != "logevent" || r.Instance != "test" ||
				!r.Received.Equal(intaketest.Noon) || string(r.Event.Metadata) != `{"_eventLog":{"forwardToStatsig":true}}` {
				t.Errorf("the caller is believed: %+v %s", r, r.Event.Metadata)
			}
		}
	})
	t.Run("identity headers from elsewhere are not recorded", func(t *testing.T) {
		for _, contentType := range []string{"application/json", "application/json; charset=UTF-8"} {
			other := newGateway()
			other.remote = "203.0.113.9:4711"
			other.post(event(""), "Content-Type", contentType, "X-Goog-Authenticated-User-Email", "root@example.com", "X-Goog-Authenticated-User-Id", "0",
				"X-Forwarded-For", "127.0.0.1", "Forwarded", "for=127.0.0.1")
			if m := string(other.store.Records()[0].Event.Metadata); strings.Contains(m, "caller") {
				t.Errorf("%s: %s", contentType, m)
			}
		}
	})
}
