package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"daybook.dev/internal/need"
)

// patience is how long a test waits for another process before it says in vain for
// what. Nothing that works is ever so late.
const patience = 2 * time.Minute

// A process is a running `daybook serve`.
type process struct {
	cmd        *exec.Cmd
	ingest     string // host and port
	operations string
	log        *bootLog
	exited     chan struct{} // closed when it has ended
	err        error         // how, once it has
}

// startGateway runs `daybook serve` with args and waits until it serves.
func startGateway(dir string, env []string, args ...string) (*process, error) {
	p := &process{log: &bootLog{ready: make(chan struct{})}, exited: make(chan struct{})}
	p.cmd = command(append([]string{"serve"}, args...)...)
	p.cmd.Dir, p.cmd.Stderr = dir, p.log
	p.cmd.Env = append(append(os.Environ(), "DAYBOOK_LOG_FORMAT=json"), env...)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	select {
	case <-p.log.ready:
	case <-p.exited:
		return nil, fmt.Errorf("daybook serve ended: %w\n%s", p.err, p.log)
	case <-time.After(patience):
		p.kill()
		return nil, fmt.Errorf("daybook serve does not start\n%s", p.log)
	}
	p.ingest, p.operations = p.log.addresses()
	return p, nil
}

// place returns an address that stays a gateway's while it is down.
func place(t *testing.T) string {
	t.Helper()
	return fmt.Sprint("127.0.0.1:", need.Port(t))
}

// command returns daybook, to be run by this test binary.
func command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err) // only where the operating system cannot name a running program
	}
	return &exec.Cmd{Path: self, Args: append([]string{"daybook"}, args...)}
}

// kill ends the process as a power cut would, but for what the operating
// system has taken.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// stop asks the process to end and waits.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.kill()
		return fmt.Errorf("daybook serve does not stop\n%s", p.log)
	}
	if p.err != nil {
		return fmt.Errorf("daybook serve: %w\n%s", p.err, p.log)
	}
	return nil
}

// A bootLog takes a gateway's log and finds in it the line that says where it
// serves.
type bootLog struct {
	ready chan struct{} // closed when that line has come

	mu   sync.Mutex // guards what follows
	text bytes.Buffer
	line servesLine
}

type servesLine struct{ Msg, Ingest, Operations string }

func (l *bootLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	for text := range bytes.SplitSeq(l.text.Bytes(), []byte("\n")) {
		if l.line.Msg != "" {
			break
		}
		var line servesLine
		if json.Unmarshal(text, &line) == nil && line.Msg == "daybook serves" {
			l.line = line
			close(l.ready)
		}
	}
	return len(p), nil
}

func (l *bootLog) addresses() (ingest, operations string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimPrefix(l.line.Ingest, "http://"), strings.TrimPrefix(l.line.Operations, "http://")
}

func (l *bootLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
