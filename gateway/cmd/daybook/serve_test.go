package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAHangupReadsTheConfigurationAgain(t *testing.T) {
	dir := t.TempDir()
	writeConfig(t, dir, `settings: {kill: [hook]}`)
	p := start(t, dir, "127.0.0.1:0")
	requireSettings(t, p, `{"kill":["hook"]}`)

	writeConfig(t, dir, `settings: {kill: [hook]`)
	p.hangUp(t)
	p.requireLogged(t, "configuration not reloaded")
	requireSettings(t, p, `{"kill":["hook"]}`)

	writeConfig(t, dir, "settings: {kill: []}\nlimits: {batch: 7}\n")
	p.hangUp(t)
	p.requireLogged(t, "configuration reloaded")
	p.requireLogged(t, `"keys":"limits.batch"`)
	requireSettings(t, p, `{"kill":[]}`)

	requireFresh(t, p, "after")
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

func TestAChangedFileIsReadAgainWithoutBeingTold(t *testing.T) {
	dir := t.TempDir()
	writeConfig(t, dir, `settings: {kill: [hook]}`)
	p := start(t, dir, "127.0.0.1:0")
	requireSettings(t, p, `{"kill":["hook"]}`)

	// As an editor does it: another file takes the name.
	text := `settings: {kill: [stream]}`
	next := filepath.Join(dir, "next")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "daybook.yaml")); err != nil {
		t.Fatal(err)
	}
	p.requireLogged(t, "configuration reloaded")
	requireSettings(t, p, `{"kill":["stream"]}`)
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

func writeConfig(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "daybook.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *process) hangUp(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// requireLogged waits until the process has logged text.
func (p *process) requireLogged(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(patience)
	for !strings.Contains(p.log.String(), text) {
		select {
		case <-p.exited:
			t.Fatalf("the gateway ended: %v\n%s", p.err, p.log)
		case <-deadline:
			t.Fatalf("it does not say %q\n%s", text, p.log)
		case <-time.After(time.Millisecond):
		}
	}
}

func requireSettings(t *testing.T, p *process, want string) {
	t.Helper()
	answer, err := http.Get("http://" + p.ingest + "/v1/settings")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(answer.Body)
	if err != nil || string(got) != want {
		t.Errorf("the settings are %s (%v), want %s", got, err, want)
	}
}
