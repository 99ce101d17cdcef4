package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// Limits of a connection. They bound what slow or idle callers can hold on to.
const (
	headerWithin = 10 * time.Second
	readWithin   = 2 * time.Minute          // for the whole request: the largest body at 140 KB/s
	writeWithin  = readWithin + time.Minute // for reading, storing and the answer
	idleWithin   = 2 * time.Minute
	headerBytes  = 64 << 10
)

// A listener is a bound port and the server behind it.
type listener struct {
	net.Listener
	server *http.Server
}

// listen binds both ports. With operations on the ingest port there is one.
func (g *Gateway) listen(ctx context.Context, events *http.ServeMux, operations http.Handler) error {
	if g.config.Operations.Listen == OnIngest {
		events.Handle("/-/", http.StripPrefix("/-", operations))
	} else {
		bound, err := g.bind(ctx, "operations.listen", g.config.Operations.Listen, operations)
		if err != nil {
			return err
		}
		g.operations = bound
	}
	bound, err := g.bind(ctx, "ingest.listen", g.config.Ingest.Listen, events)
	if err != nil && g.operations != nil {
		return errors.Join(err, g.operations.Close())
	}
	g.ingest = bound
	return err
}

func (g *Gateway) bind(ctx context.Context, key string, at Address, routes http.Handler) (*listener, error) {
	var config net.ListenConfig
	port, err := config.Listen(ctx, "tcp", string(at))
	if err != nil {
		return nil, bindError(key, at, err)
	}
	server := &http.Server{
		Handler:           routes,
		Protocols:         protocols(),
		ReadHeaderTimeout: headerWithin,
		ReadTimeout:       readWithin,
		WriteTimeout:      writeWithin,
		IdleTimeout:       idleWithin,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelWarn),
	}
	return &listener{Listener: port, server: server}, nil
}

// protocols are HTTP/1.1 and HTTP/2 without TLS, on one port.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
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
