// Package gatewaytest runs a real gateway in a test: the program that runs in
// production, on ports of its own, with its journal in a temporary directory.
// Where a test only wants to see what a client sends, daybooktest is quicker.
package gatewaytest

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/serve"
)

// A Gateway is a gateway that runs until its test is over. Its methods are safe
// for concurrent use, but end the test, and so are for its goroutine.
type Gateway struct {
	URL        string // where events are sent
	Operations string // where routes such as /metrics and /v1/tail follow
}

// Start runs a gateway with the configuration, as a daybook.yaml has it; "" is
// the default one. Addresses and the data directory are the test's own, whatever
// the configuration says.
func Start(t testing.TB, configuration string) *Gateway {
	t.Helper()
	c, from, err := serve.Load(serve.Inputs{
		Flags: map[string]string{
			"ingest.listen": "127.0.0.1:0", "operations.listen": "127.0.0.1:0", "data": t.TempDir(), "allow_ephemeral": "true",
		},
		ReadFile: func(string) ([]byte, error) { return []byte(configuration), nil },
	})
	if err != nil {
		t.Fatalf("gatewaytest: %v", err)
	}
	g, err := serve.Open(t.Context(), c, serve.Options{From: from})
	if err != nil {
		t.Fatalf("gatewaytest: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- g.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Errorf("gatewaytest: %v", err)
		}
	})
	return &Gateway{URL: g.IngestURL(), Operations: g.OperationsURL()}
}

// Events returns the events that are stored, oldest first.
func (g *Gateway) Events(t testing.TB) []daybook.Event {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.Operations+"/v1/tail?from=start&follow=false", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	const longest = 16 << 20 // an event of 1 MiB with every byte escaped, and room
	var events []daybook.Event
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, longest)
	for lines.Scan() {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found || !strings.HasPrefix(data, "{") {
			continue
		}
		row, err := query.ParseRow([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		if row.Event.ID != "" { // the last message says how the stream ended
			events = append(events, row.Event)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return events
}

// Await waits until at least n events are stored and returns them, oldest first.
// It is for events that the gateway is sent by somebody the test does not wait
// for; the test fails when they take longer than a minute.
func (g *Gateway) Await(t testing.TB, n int) []daybook.Event {
	t.Helper()
	const patience, pause = time.Minute, 20 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(pause)
	defer again.Stop()
	for {
		events := g.Events(t)
		if len(events) >= n {
			return events
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("gatewaytest: %d events are stored, not %d", len(events), n)
		}
	}
}
