package serve

import (
	"bytes"
	"io"
	stdlog "log"
	"log/slog"
	"net/http"
	"time"
)

// Limits of a connection. They bound what slow or idle callers can hold on to.
const (
	headerWithin = 10 * time.Second
	readWithin   = 2 * time.Minute          // for the whole request: the largest body at 140 KB/s
	writeWithin  = readWithin + time.Minute // for reading, storing and the answer
	idleWithin   = 2 * time.Minute
	headerBytes  = 64 << 10

	// streams is how many requests one HTTP/2 connection may have under way.
	streams = 250

	// A peer that is gone without a word is noticed by a ping it does not answer,
	// or by bytes it does not take: a request that may last forever must not keep
	// its connection for as long.
	pingAfter  = 30 * time.Second
	pingWithin = 15 * time.Second
	takeWithin = 30 * time.Second
)

// NewServer returns the server behind both ports, not yet listening. Whatever
// is proved about how the gateway speaks HTTP is proved with it.
func NewServer(routes http.Handler, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler:           routes,
		Protocols:         protocols(),
		ReadHeaderTimeout: headerWithin,
		ReadTimeout:       readWithin,
		WriteTimeout:      writeWithin,
		IdleTimeout:       idleWithin,
		MaxHeaderBytes:    headerBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streams,
			SendPingTimeout:      pingAfter, PingTimeout: pingWithin, WriteByteTimeout: takeWithin,
		},
		ErrorLog: newServerLog(log),
	}
	speakHTTP2(s)
	return s
}

// protocols are HTTP/1.1 and HTTP/2, with TLS or without, on one port.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// A serverLog takes what net/http has to say. Handshakes that fail are for who
// looks for them: whoever knocks at the port, and every load balancer's probe,
// would otherwise write a warning.
type serverLog struct{ debug, warn io.Writer }

func newServerLog(log *slog.Logger) *stdlog.Logger {
	return stdlog.New(serverLog{
		debug: slog.NewLogLogger(log.Handler(), slog.LevelDebug).Writer(),
		warn:  slog.NewLogLogger(log.Handler(), slog.LevelWarn).Writer(),
	}, "", 0)
}

// Write implements [io.Writer].
func (l serverLog) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("TLS handshake error")) {
		return l.debug.Write(line)
	}
	return l.warn.Write(line)
}
