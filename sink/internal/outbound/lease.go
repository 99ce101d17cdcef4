package outbound

import (
	"bytes"
	"io"
	"sync"
)

// A lease is the memory of a request's body. The transport may read a body even
// after it has returned an answer, and read it again for another connection; it
// closes every reader it was given when it is done with it. When Post and all
// readers are done, the memory goes back to whoever has lent it.
type lease struct {
	text []byte
	back func([]byte) // nil = nobody wants it

	mu    sync.Mutex // guards users, and the reading of text
	users int
}

// use counts one more user. The one before must not have left.
func (l *lease) use() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users++
}

func (l *lease) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users--; l.users == 0 && l.back != nil {
		l.back(l.text)
	}
}

// open returns a reader of the whole body.
func (l *lease) open() (io.ReadCloser, error) {
	l.use()
	return &leased{lease: l, rest: bytes.NewReader(l.text)}, nil
}

// leased is one reading of the body. It has no WriteTo: that would read for as
// long as a connection is stuck, and Close would wait for it.
type leased struct {
	lease  *lease
	rest   *bytes.Reader
	closed bool // guarded by the lease's lock
}

func (r *leased) Read(p []byte) (int, error) {
	r.lease.mu.Lock()
	defer r.lease.mu.Unlock()
	if r.closed {
		return 0, io.ErrClosedPipe
	}
	return r.rest.Read(p)
}

func (r *leased) Close() error {
	r.lease.mu.Lock()
	was := r.closed
	r.closed = true
	r.lease.mu.Unlock()
	if !was {
		r.lease.leave()
	}
	return nil
}
