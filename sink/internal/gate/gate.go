// Package gate lets a sink's writes in until it is closed, and knows when the
// last one has left.
package gate

import (
	"context"
	"sync"

	"daybook.dev"
)

// A Gate counts the writes under way. Make one with [New]. It is safe for
// concurrent use.
type Gate struct {
	ending context.Context // ends the writes under way when Close gives up waiting
	end    context.CancelFunc

	mu     sync.Mutex // guards what follows
	closed bool
	inside int
	empty  chan struct{} // closed by whoever sees closed and nobody inside first
	done   bool          // empty is closed
}

// New returns an open gate.
func New() *Gate {
	g := &Gate{empty: make(chan struct{})}
	g.ending, g.end = context.WithCancel(context.Background())
	return g
}

// Enter lets a write in. Its context ends with ctx, and when Close gives up
// waiting; leave must be called once when the write is over. The error is
// daybook.ErrClosed.
func (g *Gate) Enter(ctx context.Context) (within context.Context, leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, nil, daybook.ErrClosed
	}
	g.inside++
	within, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(g.ending, cancel)
	return within, func() {
		stop()
		cancel()
		g.leave()
	}, nil
}

func (g *Gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.signal()
}

// Close lets nobody in any more and waits for those inside. When ctx ends
// before they have left, their contexts end, they are waited for all the same,
// and the error says so. It may be called again, also at the same time.
func (g *Gate) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.signal()
	g.mu.Unlock()
	defer g.end()
	select {
	case <-g.empty:
		return nil
	case <-ctx.Done():
		g.end()
		<-g.empty
		return &daybook.Error{
			Code: daybook.Unavailable, Reason: "closing", Message: "closed before every write was answered", Err: ctx.Err(),
		}
	}
}

func (g *Gate) signal() {
	if g.closed && g.inside == 0 && !g.done {
		g.done = true
		close(g.empty)
	}
}
