package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"daybook.dev/gateway/internal/intake"
)

// A listener is a bound port and the server behind it.
type listener struct {
	net.Listener
	server *http.Server
	tls    bool
}

// serve answers what comes until the server is shut down.
func (l *listener) serve() error {
	if l.tls {
		return l.server.ServeTLS(l.Listener, "", "")
	}
	return l.server.Serve(l.Listener)
}

// url is how a client on this machine reaches the listener.
func (l *listener) url() string { return urlOf(Address(l.Addr().String()), l.tls) }

// listen binds both ports. With operations on the ingest port there is one.
func (g *Gateway) listen(ctx context.Context, events *http.ServeMux, operations http.Handler) error {
	if g.config.Operations.Listen == OnIngest {
		events.Handle("/-/", http.StripPrefix("/-", operations))
	} else {
		bound, err := g.bind(ctx, "operations", g.config.Operations.Listen, g.config.Operations.TLS, operations)
		if err != nil {
			return err
		}
		g.operations = bound
	}
	bound, err := g.bind(ctx, "ingest", g.config.Ingest.Listen, g.config.Ingest.TLS, intake.Identified(g.guarded(events)))
	if err != nil && g.operations != nil {
		return errors.Join(err, g.operations.Close())
	}
	g.ingest = bound
	return err
}

// bind opens a port: the one of the keys below section.
func (g *Gateway) bind(ctx context.Context, section string, at Address, files TLS, routes http.Handler) (*listener, error) {
	l := &listener{server: NewServer(routes, g.log), tls: files.on()}
	crowd := newCrowd(g.mostConnections(section), g.metrics.countClosed(section))
	l.server.ConnState = crowd.note
	g.metrics.watchConnections(section, crowd.size)
	if files.on() {
		own, err := g.certify(section+".tls", files)
		if err != nil {
			return nil, err
		}
		l.server.TLSConfig = own.config()
	}
	var config net.ListenConfig
	port, err := config.Listen(ctx, "tcp", string(at))
	if err != nil {
		return nil, bindError(section+".listen", at, err)
	}
	l.Listener = port
	return l, nil
}

// bindError says what to do about a port that cannot be had.
func bindError(key string, at Address, err error) error {
	flag := "--" + flagOf(key)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is already in use (another daybook?): stop it or pass %s %s", key, at, flag, at.next())
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: %s needs a right this user has not (ports below 1024): pass %s with a higher port", key, at, flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s: %s is no address of this machine: pass %s with one that is", key, at, flag)
	}
	return fmt.Errorf("%s: %w", key, err)
}

// next proposes another port: ten further, so that 8080 does not take 8081.
func (a Address) next() Address {
	port, err := strconv.Atoi(a.port())
	if err != nil || port+10 > 65535 {
		port = 8080
	}
	return Address(net.JoinHostPort(a.Host(), strconv.Itoa(port+10)))
}

// ownHost is the host that requests to this listener name, or "" when it
// listens on every interface and goes by any name.
func (a Address) ownHost() string {
	ip := net.ParseIP(a.Host())
	if ip != nil && ip.IsUnspecified() {
		return ""
	}
	return a.Host()
}
