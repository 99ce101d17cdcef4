package nats

import (
	"sync"

	client "github.com/nats-io/nats.go"
)

// A lastFailure is why the last attempt to connect failed, which the client
// forgets while it makes the next one.
type lastFailure struct {
	mu  sync.Mutex // guards err
	err error      // nil since the connection was made
}

// failed notes that a server could not be connected to.
func (f *lastFailure) failed(_ *client.Conn, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// connected notes that the connection is there.
func (f *lastFailure) connected(*client.Conn) { f.failed(nil, nil) }

func (f *lastFailure) last() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// options make the client tell f.
func (f *lastFailure) options() []client.Option {
	return []client.Option{
		client.ReconnectErrHandler(f.failed), client.ConnectHandler(f.connected), client.ReconnectHandler(f.connected),
	}
}
