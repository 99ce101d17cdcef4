package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"daybook.dev"
)

// A space decides whether there is room for more events. Below a first mark it
// warns, below a second one new events are refused, until there is clearly more
// room again.
type space struct {
	log      *slog.Logger
	max      int64 // bytes the journal may take
	slack    int64 // by which it may be above max before its next chunk is removed
	warnAt   int64 // percent
	refuseAt int64 // percent

	mu       sync.Mutex
	warning  bool           // guarded by mu
	refusing *daybook.Error // guarded by mu; nil = there is room
}

// calmMargin is by how many percent of the room things must be better than a
// mark for it to be left again, so that nothing flips to and fro.
const calmMargin = 1

// A usage is what a look at the disk finds.
type usage struct {
	taken int64 // bytes of the journal
	held  int64 // of them, bytes that removing what nobody needs cannot free
	free  int64 // bytes the file system can still give; -1 = not known
	size  int64 // bytes of the file system; 0 = not known
}

func newSpace(o Options) *space {
	return &space{log: o.Log, max: o.MaxBytes, slack: 2 * o.ChunkBytes, warnAt: int64(o.WarnAt), refuseAt: int64(o.RefuseAt)}
}

// look takes note of u.
func (s *space) look(u usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	warn, refuse := s.warnAt, s.refuseAt
	if s.warning {
		warn -= calmMargin
	}
	if s.refusing != nil {
		refuse -= calmMargin
	}
	s.warn(s.scarce(u, warn), u)
	s.refuse(s.exceeded(u, refuse), u)
}

// scarce says what there is little of when percent counts as much, or "".
func (s *space) scarce(u usage, percent int64) string {
	if room := s.room(u); u.free >= 0 && u.free < room/100*(100-percent) {
		return fmt.Sprintf("%d bytes are free on the file system", u.free)
	}
	if u.held >= s.max/100*percent {
		return fmt.Sprintf("destinations still need %d of at most %d bytes of events; at the limit the oldest are removed", u.held, s.max)
	}
	return ""
}

// exceeded says why there is no room for more, or "".
func (s *space) exceeded(u usage, percent int64) string {
	if room := s.room(u); u.free >= 0 && u.free < room/100*(100-percent) {
		return fmt.Sprintf("%d bytes are free on the file system", u.free)
	}
	if u.taken > s.max+s.slack {
		return fmt.Sprintf("the journal has %d of at most %d bytes and old events cannot be removed", u.taken, s.max)
	}
	return ""
}

// room is what the marks are shares of: the size the journal may have, or the
// whole file system when that is smaller. So 5 % left of a large disk with
// hundreds of gigabytes free is no reason to refuse.
func (s *space) room(u usage) int64 {
	if u.size > 0 {
		return min(s.max, u.size)
	}
	return s.max
}

func (s *space) warn(why string, u usage) {
	switch was := s.warning; {
	case why != "" && !was:
		s.log.Warn("journal runs out of room", "why", why, "bytes", u.taken, "free", u.free)
	case why == "" && was:
		s.log.Info("journal has enough room again", "bytes", u.taken, "free", u.free)
	}
	s.warning = why != ""
}

func (s *space) refuse(why string, u usage) {
	switch was := s.refusing != nil; {
	case why != "" && !was:
		s.log.Error("journal has no room: new events are refused", "why", why, "bytes", u.taken, "free", u.free)
		s.refusing = diskFull("the store has no room", errors.New(why)) // why is for the operator
	case why == "" && was:
		s.log.Info("journal has room again: events are taken", "bytes", u.taken, "free", u.free)
		s.refusing = nil
	}
}

// err returns why new events are refused, or nil.
func (s *space) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusing == nil {
		return nil
	}
	return s.refusing
}

func (s *space) state() (warning, refusing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.warning, s.refusing != nil
}
