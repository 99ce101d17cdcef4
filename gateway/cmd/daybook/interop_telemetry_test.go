package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"daybook.dev/internal/need"
)

// grpcJS is where the client in another library is.
const grpcJS = "../../../test/interop/telemetry"

// TestTelemetryOfAnotherLibrary streams 100,000 events from grpc-js, which
// half-closes before it reads anything: in one stream, and in many to a gateway
// that is killed twice meanwhile. `make interop-telemetry` installs it and runs this.
func TestTelemetryOfAnotherLibrary(t *testing.T) {
	const events = 100_000
	t.Run("in one stream", func(t *testing.T) {
		gateway := start(t, t.TempDir(), "127.0.0.1:0")
		streamFromNode(t, gateway, events, events, func(int) {})
		requireNode(t, gateway, events)
	})
	t.Run("to a gateway that is killed twice", func(t *testing.T) {
		dir := t.TempDir()
		gateway := start(t, dir, place(t))
		kills := 0
		streamFromNode(t, gateway, events, 10_000, func(acknowledged int) {
			if kills < 2 && acknowledged >= (kills+1)*events/3 {
				kills++
				gateway.kill()
				gateway = start(t, dir, gateway.ingest)
			}
		})
		if kills != 2 {
			t.Errorf("killed %d times", kills)
		}
		requireNode(t, gateway, events)
	})
}

// streamFromNode runs the client and tells of each answer how many ids have come
// back.
func streamFromNode(t *testing.T, gateway *process, events, perStream int, told func(acknowledged int)) {
	t.Helper()
	node := need.Command(t, "node")
	if _, err := os.Stat(filepath.Join(grpcJS, "node_modules")); err != nil {
		need.Missing(t, "interop-telemetry", "grpc-js is not installed; make interop-telemetry does that")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	proto, err := filepath.Abs("../../proto/telemetrygateway/v1/telemetrygateway.proto")
	if err != nil {
		t.Fatal(err)
	}
	client := exec.CommandContext(ctx, node, "telemetry.mjs", gateway.ingest, proto, strconv.Itoa(events), strconv.Itoa(perStream))
	client.Dir = grpcJS
	var problem strings.Builder
	client.Stderr = &problem
	out, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	last := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if last, err = strconv.Atoi(lines.Text()); err != nil {
			t.Errorf("the client says %q", lines.Text())
		}
		told(last)
	}
	if err := client.Wait(); err != nil || last != events {
		t.Fatalf("the client ended with %v, and %d ids acknowledged\n%s", err, last, &problem)
	}
}

// requireNode requires that tail shows every event once, and trace one of them.
func requireNode(t *testing.T, gateway *process, events int) {
	t.Helper()
	seen := make(map[string]int, events)
	for _, row := range gateway.tailed(t) {
		seen[row.ID]++
	}
	id := func(i int) string { return fmt.Sprintf("00000000-0000-7000-8000-%012d", i) }
	for i := range events {
		if seen[id(i)] != 1 {
			t.Fatalf("%s is there %d times", id(i), seen[id(i)])
		}
	}
	if len(seen) != events {
		t.Errorf("%d events are there, want %d", len(seen), events)
	}
	trace := output(t, command("trace", id(4711), "--operations-listen", gateway.operations))
	if !strings.Contains(string(trace), "stored") {
		t.Errorf("trace says\n%s", trace)
	}
}
