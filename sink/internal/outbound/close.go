package outbound

import (
	"context"
	"sync"

	"daybook.dev"
)

// Alive returns daybook.ErrClosed after Close, and the error of a context that
// has ended: for a caller with nothing to post.
func (c *Client) Alive(ctx context.Context) error {
	_, leave, err := c.enter(ctx)
	if err == nil {
		leave()
	}
	return err
}

// enter begins a request. Its context ends with the caller's, after the time
// of one attempt, when leave is called, and when Close gives up waiting.
func (c *Client) enter(ctx context.Context) (attempt context.Context, leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, daybook.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, &daybook.Error{Code: daybook.Unavailable, Where: c.where, Reason: "canceled", Message: "not sent", Err: err}
	}
	c.active++
	attempt, cancel := context.WithTimeout(ctx, c.timeout)
	stop := context.AfterFunc(c.ending, cancel)
	return attempt, sync.OnceFunc(func() {
		stop()
		cancel()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.active--
		c.signalIdle()
	}), nil
}

func (c *Client) signalIdle() {
	if c.closed && c.active == 0 {
		close(c.idle)
	}
}

// Close waits for the requests under way until ctx ends, and then ends them. It
// is idempotent.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		c.signalIdle()
	}
	c.mu.Unlock()
	defer c.http.CloseIdleConnections()
	defer c.end()
	select {
	case <-c.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
