package telemetrygateway_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"daybook.dev/gateway/internal/intake/intaketest"
)

// wireCases is where the cases are: what clients of any age send, byte for byte.
const wireCases = "../../../../test/wire/telemetry-gateway"

// TestGoldenCases sends each case's messages, a line of hexadecimal digits for
// each, and compares the end of the stream, the answers and what was stored.
func TestGoldenCases(t *testing.T) {
	requests, err := filepath.Glob(filepath.Join(wireCases, "*", "messages.hex"))
	if err != nil || len(requests) < 5 {
		t.Fatalf("only %d cases: %v", len(requests), err)
	}
	for _, path := range requests {
		folder := filepath.Dir(path)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			g := newGateway()
			answers, status := g.listen(t).raw(t, strings.NewReader(messagesOf(t, path)))
			got := "status " + status + "\n" + idsOf(t, answers)
			want, err := os.ReadFile(filepath.Join(folder, "answers"))
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("answered\n%swant\n%s", got, want)
			}
			intaketest.CompareStored(t, folder, g.store.Records())
		})
	}
}

func messagesOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var frames strings.Builder
	for line := range strings.Lines(string(text)) {
		message, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		frames.WriteString(framed(0, string(message)))
	}
	return frames.String()
}

// idsOf writes down the ids of each answer, on a line of its own.
func idsOf(t *testing.T, frames string) string {
	t.Helper()
	var lines strings.Builder
	for len(frames) > 0 {
		size := binary.BigEndian.Uint32([]byte(frames[1:5]))
		var answer response
		if err := proto.Unmarshal([]byte(frames[5:5+size]), &answer); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%q\n", answer.GetSucceededEvents())
		frames = frames[5+size:]
	}
	return lines.String()
}
