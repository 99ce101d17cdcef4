package daybook

import (
	"context"
	"sync"
	"time"
)

// held is a sink of a client together with who is using it, so that a sink that
// was replaced is closed only when the last write to it has ended.
type held struct {
	sink Sink
	idle chan struct{} // closed when it was retired and nobody uses it

	mu      sync.Mutex // guards what follows
	users   int
	retired bool
}

func hold(s Sink) *held { return &held{sink: s, idle: make(chan struct{})} }

func (h *held) enter() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users++
}

func (h *held) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users--
	h.signal()
}

// retire says that nobody will enter any more.
func (h *held) retire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.retired {
		return
	}
	h.retired = true
	h.signal()
}

func (h *held) signal() {
	if h.retired && h.users == 0 {
		close(h.idle)
	}
}

// close waits for the last user until ctx ends, and closes the sink in any
// case: Close ends the writes of a sink that still has some. A sink gets a
// moment for that even where no time is left.
func (h *held) close(ctx context.Context) error {
	h.retire()
	select {
	case <-h.idle:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
		defer cancel()
	}
	return closeSink(ctx, h.sink)
}

// closeGrace is how long a sink, or an attempt that was cancelled, may take to
// end when no time is left.
const closeGrace = 100 * time.Millisecond

// closeSink closes a sink without waiting for one that does not heed ctx.
func closeSink(ctx context.Context, s Sink) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- panicked("Close")
			}
		}()
		done <- s.Close(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	// It may have ended at the same moment, or because ctx did.
	select {
	case err := <-done:
		return err
	case <-time.After(closeGrace):
		return ctx.Err()
	}
}

func panicked(what string) error {
	return &Error{Code: Internal, Where: "sink", Reason: "panicked", Message: "the sink panicked in " + what}
}
