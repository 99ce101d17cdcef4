package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook.dev/sink/postgres/postgrestest"
)

// A receiver is where webhooks go. While it is down it answers 503.
type receiver struct {
	down atomic.Bool

	mu   sync.Mutex // guards seen
	seen map[string]int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var events []struct {
		ID string `json:"event_id"`
	}
	switch err := json.NewDecoder(request.Body).Decode(&events); {
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
		return
	case r.down.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		r.seen[e.ID]++
	}
}

func (r *receiver) ids() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

const delivering = `
destinations:
  book: {type: postgres, url: "${BOOK}", migrate: true}
  hook: {type: webhook, url: "${HOOK}", allow_private: true, batch: {age: 100ms}}
`

// TestEveryAcknowledgedEventReachesEveryDestination sends events while one of
// two destinations is down for half of the time and the gateway is killed once.
// In the end both hold every event, and the ledger balances. DAYBOOK_LAB=1 sends
// 50,000.
func TestEveryAcknowledgedEventReachesEveryDestination(t *testing.T) {
	events := 5000
	if os.Getenv("DAYBOOK_LAB") != "" {
		events = 50_000
	}
	database := postgrestest.Start(t)
	hook := &receiver{seen: map[string]int{}}
	receiving := httptest.NewServer(hook)
	defer receiving.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "daybook.yaml"), []byte(delivering), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"BOOK=" + database.DSN(), "HOOK=" + receiving.URL}
	gateway := startIn(t, dir, env, place(t))

	hook.down.Store(true)
	sending := command("send", "-", "--retry-for", "5m", "--gateway", "http://"+gateway.ingest)
	sending.Dir, sending.Stdin = dir, bytes.NewReader(numbered(events))
	var said bytes.Buffer
	sending.Stdout, sending.Stderr = &said, &said
	if err := sending.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "some events are in the database", func() bool { return count(t, database) > events/10 })
	gateway.kill()
	gateway = startIn(t, dir, env, gateway.ingest)
	if err := sending.Wait(); err != nil {
		t.Fatalf("send: %v\n%s", err, &said)
	}
	if n := hook.ids(); n != 0 {
		t.Errorf("the receiver that was down has %d events", n)
	}
	hook.down.Store(false)

	until(t, "both hold every event", func() bool { return count(t, database) == events && hook.ids() == events })
	until(t, "the ledger is at rest", func() bool {
		return len(ledgerRows(t, dir, gateway)["hook"]) > 0 && ledgerRows(t, dir, gateway)["hook"]["queued"] == 0.0
	})
	rows := ledgerRows(t, dir, gateway)
	for _, name := range []string{"book", "hook"} {
		if rows[name]["stored"] != float64(events) || rows[name]["delivered"] != float64(events) {
			t.Errorf("ledger of %s: %v", name, rows[name])
		}
	}
	if story := string(output(t, command("trace", "e17", "--operations-listen", gateway.operations))); !strings.Contains(story, "hook") || !strings.Contains(story, "book") {
		t.Errorf("trace tells\n%s", story)
	}
	if err := gateway.stop(); err != nil {
		t.Fatal(err)
	}
}

// startIn starts a gateway with the configuration in dir.
func startIn(t *testing.T, dir string, env []string, ingest string) *process {
	t.Helper()
	p, err := startGateway(dir, env, "--ingest-listen", ingest, "--operations-listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// numbered returns n events as lines, the first with the id e0.
func numbered(n int) []byte {
	var lines bytes.Buffer
	for i := range n {
		fmt.Fprintf(&lines, `{"event_id":"e%d","event_name":"tick","event_ts":"2026-01-02T03:04:05Z","n":%d}`+"\n", i, i)
	}
	return lines.Bytes()
}

// count returns how many rows there are, each for another event.
func count(t *testing.T, database *postgrestest.Server) (rows int) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), database.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.WithoutCancel(t.Context()))
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM daybook_events").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// ledgerRows returns the rows that daybook ledger prints, by their names.
func ledgerRows(t *testing.T, dir string, gateway *process) map[string]map[string]any {
	t.Helper()
	cmd := command("ledger", "-o", "json", "--operations-listen", gateway.operations)
	cmd.Dir = dir
	rows := map[string]map[string]any{}
	for line := range bytes.Lines(output(t, cmd)) {
		var row map[string]any
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		for _, kind := range []string{"caller", "destination"} {
			if name, ok := row[kind].(string); ok {
				rows[name] = row
			}
		}
	}
	return rows
}

// until waits for something that other processes bring about.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come to pass that %s", what)
		}
		time.Sleep(20 * time.Millisecond) // other processes tell nobody
	}
}
