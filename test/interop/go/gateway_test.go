package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook.dev/internal/need"
)

// A gateway is the program as people start it, on ports of its own.
type gateway struct {
	ingest, operations string // addresses, host:port
}

// binary builds the program once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "daybook-interop-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "daybook")
	build := exec.Command("go", "build", "-o", path, "./gateway/cmd/daybook")
	build.Dir = filepath.Join("..", "..", "..")
	build.Env = append(os.Environ(), "GOWORK=", "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	if err != nil {
		err = &buildError{err, output}
	}
	return path, err
})

type buildError struct {
	error
	output []byte
}

func (e *buildError) Error() string { return e.error.Error() + "\n" + string(e.output) }

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// start runs a gateway with the configuration until the test is over.
func start(t *testing.T, configuration string) gateway {
	t.Helper()
	need.Command(t, "go")
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	g := gateway{ingest: freeAddress(t), operations: freeAddress(t)}
	dir := t.TempDir()
	config := filepath.Join(dir, "daybook.yaml")
	if err := os.WriteFile(config, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, "serve", "--config", config, "--data", filepath.Join(dir, "data"), "--allow-ephemeral",
		"--ingest-listen", g.ingest, "--operations-listen", g.operations)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 20 * time.Second
	var log bytes.Buffer
	command.Stderr = &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = command.Wait() // its error says that it was interrupted
		if t.Failed() {
			t.Logf("the gateway's log:\n%s", &log)
		}
	})
	g.awaitReady(t)
	return g
}

// freeAddress returns an address that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// awaitReady waits until writes can succeed.
func (g gateway) awaitReady(t *testing.T) {
	t.Helper()
	until(t, "the gateway is not ready", func() bool {
		response, err := http.Get("http://" + g.operations + "/ready")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// until waits until a condition holds.
func until(t *testing.T, otherwise string, holds func() bool) {
	t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	patience := time.After(time.Minute)
	for !holds() {
		select {
		case <-again.C:
		case <-patience:
			t.Fatal(otherwise)
		}
	}
}

// A row is a stored event as tail shows it.
type row struct {
	ID       string `json:"event_id"`
	Name     string `json:"event_name"`
	Type     string `json:"event_type"`
	Actor    string `json:"actor_id"`
	Time     string `json:"event_ts"`
	Protocol string
	Metadata json.RawMessage
}

// rows returns what is stored, oldest first.
func (g gateway) rows(t *testing.T) []row {
	t.Helper()
	response, err := http.Get("http://" + g.operations + "/v1/tail?from=start&follow=false")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var rows []row
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		text, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		var r row
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		if r.ID != "" { // the last message says how the stream ended
			rows = append(rows, r)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}
