package journal

import (
	"sync/atomic"
	"time"
)

const (
	// slow is how long a group may take before less is let in: a disk that
	// stands still must not fill the memory with what waits for it.
	slow = time.Second

	// hanging is how long a group may take before the journal is not ready.
	hanging = 3 * time.Second
)

// A stall knows for how long the group under way has been under way.
type stall struct {
	start time.Time
	began atomic.Int64 // nanoseconds since start; 0 = no group
}

func newStall() *stall { return &stall{start: time.Now()} }

func (s *stall) begin() { s.began.Store(max(int64(time.Since(s.start)), 1)) }

func (s *stall) end() { s.began.Store(0) }

// lasts returns for how long the present group has lasted.
func (s *stall) lasts() time.Duration {
	began := s.began.Load()
	if began == 0 {
		return 0
	}
	return time.Since(s.start) - time.Duration(began)
}
