package outboundtest

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daybook.dev"
)

// A server is a destination that can change its mind.
type server struct {
	*httptest.Server
	requests atomic.Int64
	handler  atomic.Pointer[http.HandlerFunc]
	closed   chan struct{} // gets one for every connection that has ended
	stop     func()        // is idempotent
}

func serve(t *testing.T, handler http.HandlerFunc) *server {
	s := &server{closed: make(chan struct{}, 1000)}
	s.become(handler)
	over := make(chan struct{})
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		(*s.handler.Load())(w, withOver(r, over))
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			s.closed <- struct{}{}
		}
	}
	s.Start()
	s.stop = sync.OnceFunc(func() {
		close(over) // what hangs must return before the server can be closed
		s.CloseClientConnections()
		s.Close()
	})
	t.Cleanup(s.stop)
	return s
}

func (s *server) become(handler http.HandlerFunc) { s.handler.Store(&handler) }

// waitOf returns the longest wait that an error asks for.
func waitOf(err error) time.Duration {
	if partial, ok := errors.AsType[*daybook.PartialError](err); ok {
		var longest time.Duration
		for _, o := range partial.Failed {
			longest = max(longest, waitOf(o.Err))
		}
		return longest
	}
	if e, ok := errors.AsType[*daybook.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
