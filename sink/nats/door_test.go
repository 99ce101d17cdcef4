package nats_test

import (
	"net"
	"sync"
	"testing"
)

// A door stands before a server and can be shut, or passes nothing on.
type door struct {
	listener net.Listener
	behind   string
	passing  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	closed  bool       // for good
	mode    int
	changed chan struct{} // closed when mode changes
	conns   map[net.Conn]bool
}

const (
	isOpen    = iota
	isShut    // connections are closed as they come
	isStalled // connections stay, and nothing comes through
)

func newDoor(t *testing.T, behind string) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{listener: listener, behind: behind, changed: make(chan struct{}), conns: map[net.Conn]bool{}}
	d.passing.Go(d.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		d.mu.Lock()
		d.closed = true
		d.mu.Unlock()
		d.set(isShut)
		d.passing.Wait()
	})
	return d
}

func (d *door) url() string { return "nats://" + d.listener.Addr().String() }
func (d *door) open()       { d.set(isOpen) }
func (d *door) shut()       { d.set(isShut) }
func (d *door) stall()      { d.set(isStalled) }

func (d *door) set(mode int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mode = mode
	close(d.changed)
	d.changed = make(chan struct{})
	if mode != isShut {
		return
	}
	for c := range d.conns {
		_ = c.Close()
	}
	clear(d.conns)
}

func (d *door) accept() {
	for {
		outside, err := d.listener.Accept()
		if err != nil {
			return
		}
		inside, err := net.Dial("tcp", d.behind)
		if err != nil || !d.keep(outside, inside) {
			_ = outside.Close()
			if err == nil {
				_ = inside.Close()
			}
			continue
		}
		d.passing.Go(func() { d.pass(outside, inside) })
		d.passing.Go(func() { d.pass(inside, outside) })
	}
}

// keep remembers connections that are let in.
func (d *door) keep(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.mode == isShut {
		return false
	}
	for _, c := range conns {
		d.conns[c] = true
	}
	return true
}

// pass copies from one side to the other, and waits while the door is stalled.
func (d *door) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	for buffer := make([]byte, 32<<10); ; {
		n, err := from.Read(buffer)
		for stalled := true; stalled; {
			d.mu.Lock()
			changed := d.changed
			stalled = d.mode == isStalled
			d.mu.Unlock()
			if stalled {
				<-changed
			}
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
