package nats

import (
	"context"
	"sync"
	"time"
)

// An alarm ends all attempts under way, with a cause.
type alarm struct {
	mu    sync.Mutex // guards what follows
	quiet context.Context
	end   context.CancelCauseFunc // of quiet
}

func newAlarm() *alarm {
	a := new(alarm)
	a.quiet, a.end = context.WithCancelCause(context.Background())
	return a
}

// ring ends the attempts under way. Those that begin later know nothing of it.
func (a *alarm) ring(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.end(cause)
	a.quiet, a.end = context.WithCancelCause(context.Background())
}

// watch returns the context of an attempt that ends with ctx, after timeout, or
// when the alarm rings; context.Cause says which.
func (a *alarm) watch(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	a.mu.Lock()
	quiet := a.quiet
	a.mu.Unlock()
	ctx, timedOut := context.WithTimeout(ctx, timeout)
	ctx, cancel := context.WithCancelCause(ctx)
	unwatch := context.AfterFunc(quiet, func() { cancel(context.Cause(quiet)) })
	return ctx, func() {
		unwatch()
		cancel(nil)
		timedOut()
	}
}
