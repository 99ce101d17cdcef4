package serve

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// A crowd bounds the connections of a listener: each has a descriptor, and the
// journal needs some too. Where there are too many, the one that has sent no
// request for longest goes, so that whoever opens connections and sends nothing,
// or sends it forever, keeps nobody out. It is safe for concurrent use.
type crowd struct {
	most   int
	closed func(which string) // told of each connection that had to go

	mu     sync.Mutex                 // guards what follows
	guests *list.List                 // of *guest; of those that wait, the longest first
	all    map[net.Conn]*list.Element // where each is
}

// A guest is one connection.
type guest struct {
	conn    net.Conn
	waiting bool // no request is under way
}

func newCrowd(most int, closed func(which string)) *crowd {
	return &crowd{most: most, closed: closed, guests: list.New(), all: map[net.Conn]*list.Element{}}
}

// operationsConnections is how many connections people and their tools have.
const operationsConnections = 256

// mostConnections is how many connections a listener takes. A quarter of the
// descriptors is for the journal and the destinations.
func (g *Gateway) mostConnections(section string) int {
	if section == "operations" {
		return operationsConnections
	}
	most := g.config.Limits.Connections
	if has := descriptors(); has > 0 && uint64(most) > has/4*3 {
		most = int(has / 4 * 3)
		g.log.Warn("fewer connections than configured: the process may not open more files (ulimit -n)", "configured", g.config.Limits.Connections, "taken", most)
	}
	return most
}

// note is told what each connection does (see [http.Server.ConnState]). One whose
// headers are not complete has sent no request yet.
func (c *crowd) note(conn net.Conn, state http.ConnState) {
	conn = raw(conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	at, known := c.all[conn]
	switch {
	case state == http.StateNew:
		if len(c.all) >= c.most && !c.makeRoom() {
			c.closed("new")
			_ = conn.Close() // the server notices, and says that it is closed
			return
		}
		c.all[conn] = c.guests.PushBack(&guest{conn, true})
	case !known: // it had to go
	case state == http.StateIdle:
		at.Value.(*guest).waiting = true
		c.guests.MoveToBack(at)
	case state == http.StateActive:
		at.Value.(*guest).waiting = false
	default: // closed, or no longer the server's
		c.forget(at)
	}
}

// makeRoom closes the connection that has been waiting for longest. Those it
// passes over go to the back, so that the next one is found at once. The caller
// holds c.mu.
func (c *crowd) makeRoom() bool {
	for range c.guests.Len() {
		at := c.guests.Front()
		one := at.Value.(*guest)
		if one.waiting {
			c.forget(at)
			c.closed("idle")
			_ = one.conn.Close()
			return true
		}
		c.guests.MoveToBack(at)
	}
	return false
}

func (c *crowd) forget(at *list.Element) {
	delete(c.all, at.Value.(*guest).conn)
	c.guests.Remove(at)
}

// size is how many connections there are.
func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}

// raw is the connection below TLS. Closing that one never waits for the peer.
func raw(conn net.Conn) net.Conn {
	if secret, ok := conn.(*tls.Conn); ok {
		return secret.NetConn()
	}
	return conn
}

// countClosed returns what is told of connections that had to go.
func (m *metrics) countClosed(listener string) func(which string) {
	return func(which string) { m.closed.WithLabelValues(listener, which).Inc() }
}

// watchConnections shows how many connections a listener has.
func (m *metrics) watchConnections(listener string, size func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "daybook_connections", Help: "Connections that are open.",
		ConstLabels: prometheus.Labels{"listener": listener},
	}, func() float64 { return float64(size()) }))
}
