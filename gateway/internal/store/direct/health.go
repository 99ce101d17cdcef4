package direct

import (
	"context"
	"sync"
	"time"

	"daybook.dev/gateway/internal/attempt"
)

// fresh is how long an answer about the destination holds.
const fresh = 2 * time.Second

// health knows whether a Write could succeed now: the last one did, or else a
// check does.
type health struct {
	name   string                      // the destination's
	check  func(context.Context) error // nil = nobody can tell
	within time.Duration

	mu       sync.Mutex
	known    bool          // guarded by mu, like everything below: checked has a value
	checked  time.Time     // when last was true
	last     error         // nil = the destination took a Write
	checking chan struct{} // closed when the check under way ends; nil = none

	life   context.Context
	end    context.CancelFunc
	checks sync.WaitGroup
}

func newHealth(o Options) *health {
	h := &health{name: o.Name, check: o.Check, within: o.Within}
	h.life, h.end = context.WithCancel(context.Background())
	return h
}

// written takes note of what a Write came to. An event that can never be stored
// says nothing about the destination, and one that it has no room for now would
// only send the callers elsewhere, to the same destination.
func (h *health) written(errs []error) {
	var failure error
	for _, err := range errs {
		switch attempt.ClassOf(err) {
		case attempt.Taken:
			h.set(nil)
			return
		case attempt.Misconfigured, attempt.Transient:
			failure = err
		}
	}
	if failure != nil {
		h.set(failed(h.name, failure))
	}
}

func (h *health) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known, h.checked, h.last = true, time.Now(), err
}

// ready returns nil when a Write could succeed. It waits for at most one check,
// and not longer than ctx.
func (h *health) ready(ctx context.Context) error {
	h.mu.Lock()
	if h.known && time.Since(h.checked) < fresh {
		defer h.mu.Unlock()
		return h.last
	}
	if h.check == nil {
		defer h.mu.Unlock()
		return nil
	}
	if h.checking == nil {
		h.checking = make(chan struct{})
		h.checks.Go(h.checkNow)
	}
	checking := h.checking
	h.mu.Unlock()

	select {
	case <-checking:
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.last
	case <-ctx.Done():
		return tooSlow(ctx.Err())
	}
}

func (h *health) checkNow() {
	ctx, cancel := context.WithTimeout(h.life, h.within)
	defer cancel()
	err := h.check(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known, h.checked, h.last = true, time.Now(), nil
	if err != nil {
		h.last = failed(h.name, err)
	}
	close(h.checking)
	h.checking = nil
}

// close waits for the check under way.
func (h *health) close() {
	h.end()
	h.checks.Wait()
}
