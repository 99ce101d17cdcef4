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
// journal needs some too. Where there are too many, the one goes that has been
// there for longest without a request, and where all have sent one, the one that
// has been idle for longest: whoever opens connections and sends nothing, or sends
// it forever, keeps nobody out, and costs nobody else a connection that is in use.
// It is safe for concurrent use.
type crowd struct {
	most   int
	closed func(which string) // told of each connection that had to go

	mu     sync.Mutex                 // guards what follows
	fresh  *list.List                 // of *guest that have sent no request yet; the longest first
	guests *list.List                 // of *guest that have; of those that wait, the longest first
	all    map[net.Conn]*list.Element // where each is
}

// A guest is one connection.
type guest struct {
	conn    net.Conn
	in      *list.List // where it is
	waiting bool       // no request is under way
}

func newCrowd(most int, closed func(which string)) *crowd {
	return &crowd{most: most, closed: closed, fresh: list.New(), guests: list.New(), all: map[net.Conn]*list.Element{}}
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
		c.put(&guest{conn: conn, waiting: true}, c.fresh)
	case !known: // it had to go
	case state == http.StateIdle:
		one := at.Value.(*guest)
		one.waiting = true
		one.in.MoveToBack(at)
	case state == http.StateActive:
		one := at.Value.(*guest)
		one.waiting = false
		if one.in == c.fresh {
			c.fresh.Remove(at)
			c.put(one, c.guests)
		}
	default: // closed, or no longer the server's
		c.forget(at)
	}
}

func (c *crowd) put(one *guest, in *list.List) {
	one.in = in
	c.all[one.conn] = in.PushBack(one)
}

// makeRoom closes a connection, where one is waiting. Those it passes over go to
// the back, so that the next one is found at once. The caller holds c.mu.
func (c *crowd) makeRoom() bool {
	for _, in := range []*list.List{c.fresh, c.guests} {
		for range in.Len() {
			at := in.Front()
			one := at.Value.(*guest)
			if one.waiting {
				c.forget(at)
				c.closed("idle")
				_ = one.conn.Close()
				return true
			}
			in.MoveToBack(at)
		}
	}
	return false
}

func (c *crowd) forget(at *list.Element) {
	one := at.Value.(*guest)
	delete(c.all, one.conn)
	one.in.Remove(at)
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
