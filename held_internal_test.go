package daybook

import (
	"context"
	"testing"
)

// used is a sink that counts what is done with it after Close.
type used struct{ closed, after int }

func (s *used) Write(context.Context, []Event) error {
	s.after += s.closed
	return nil
}

func (s *used) Close(context.Context) error {
	s.closed = 1
	return nil
}

// The worker may be between deciding to send a batch and sending it, reading it
// from a slow disk, when Close stops waiting for it.
func TestAnAttemptThatComesTooLateLeavesTheClosedSinkAlone(t *testing.T) {
	sink := &used{}
	co := &core{retired: map[string]counters{}}
	co.state.Store(&state{})
	l := co.newLane("test", hold(sink), nil)
	l.join()
	_ = l.sink.close(t.Context())
	if s := l.attempt([]Event{{Name: "late"}}); s.delivered != 0 || sink.after != 0 {
		t.Errorf("delivered %d, written to %d times after it was closed", s.delivered, sink.after)
	}
}
