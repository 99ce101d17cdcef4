package postgrestest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A process is a running server. Its goroutine has started it and waits for it.
type process struct {
	cmd    *exec.Cmd
	ready  chan struct{} // closed by the reader when connections are taken
	exited chan struct{} // closed by the goroutine when the process is gone

	mu  sync.Mutex // guards what follows
	log []string   // the last lines it wrote
}

// start starts the server and returns once it takes connections.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, ready: make(chan struct{}), exited: make(chan struct{})}
	output, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	go p.run(output, started)
	if err := <-started; err != nil {
		return nil, err
	}
	select {
	case <-p.ready:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("it ended:\n%s", p.lastLines())
	case <-time.After(patience):
		return nil, errors.Join(fmt.Errorf("not ready after %v:\n%s", patience, p.lastLines()), p.stop())
	}
}

// run starts the process and waits for it, on one thread that stays: the signal
// that a parent's death sends is sent when the thread that started it is gone.
func (p *process) run(output io.Reader, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.follow(output)
	_ = p.cmd.Wait() // a server that was told to stop at once ends with an error
}

// follow reads what the server says until it has ended.
func (p *process) follow(output io.Reader) {
	ready := false
	for lines := bufio.NewScanner(output); lines.Scan(); {
		line := lines.Text()
		p.mu.Lock()
		p.log = append(p.log[max(0, len(p.log)-50):], line)
		p.mu.Unlock()
		if !ready && strings.Contains(line, "ready to accept connections") {
			ready = true
			close(p.ready)
		}
	}
}

func (p *process) lastLines() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log, "\n")
}

// stop ends the server without letting it finish anything. Its own children
// are gone when it is.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("it has not ended after %v", patience)
	}
}
