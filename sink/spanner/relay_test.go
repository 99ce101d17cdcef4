package spanner_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A relay stands between the sink and a server, as the network does: it can
// break, or swallow everything.
type relay struct {
	t      *testing.T
	server string
	at     string // where it listens

	running sync.WaitGroup

	mu       sync.Mutex // guards what follows
	listener net.Listener
	conns    map[net.Conn]struct{}
	flowing  chan struct{} // closed while bytes pass
}

func startRelay(t *testing.T, server string) *relay {
	t.Helper()
	r := &relay{t: t, server: server, at: "127.0.0.1:0", conns: map[net.Conn]struct{}{}, flowing: make(chan struct{})}
	close(r.flowing)
	r.listen()
	t.Cleanup(r.stop)
	return r
}

func (r *relay) listen() {
	listener, err := net.Listen("tcp", r.at)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listener, r.at = listener, listener.Addr().String()
	r.running.Go(func() { r.accept(listener) })
}

func (r *relay) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.server)
		if err != nil {
			client.Close()
			continue
		}
		r.mu.Lock()
		if r.listener != listener {
			client.Close()
			server.Close()
		}
		r.conns[client], r.conns[server] = struct{}{}, struct{}{}
		r.mu.Unlock()
		r.running.Go(func() { r.copy(server, client) })
		r.running.Go(func() { r.copy(client, server) })
	}
}

func (r *relay) copy(to, from net.Conn) {
	io.Copy(gated{to, r}, from)
	to.Close()
	from.Close()
}

type gated struct {
	net.Conn

	relay *relay
}

func (g gated) Write(b []byte) (int, error) {
	g.relay.mu.Lock()
	flowing := g.relay.flowing
	g.relay.mu.Unlock()
	<-flowing
	return g.Conn.Write(b)
}

// Break ends every connection and lets nobody connect.
func (r *relay) Break() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != nil {
		r.listener.Close()
		r.listener = nil
	}
	for c := range r.conns {
		c.Close()
		delete(r.conns, c)
	}
}

// Hang keeps the connections and passes nothing on.
func (r *relay) Hang() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flowing = make(chan struct{})
}

// Mend ends Break and Hang.
func (r *relay) Mend() {
	r.flow()
	r.mu.Lock()
	broken := r.listener == nil
	r.mu.Unlock()
	if broken {
		r.listen()
	}
}

func (r *relay) flow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.flowing:
	default:
		close(r.flowing)
	}
}

func (r *relay) stop() {
	r.Break()
	r.flow()
	r.running.Wait()
}
