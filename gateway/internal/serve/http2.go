package serve

import (
	"net/http"
	"reflect"

	"golang.org/x/net/http2"
)

// speakHTTP2 gives s the HTTP/2 of golang.org/x/net, which is that of net/http
// with another order of what is sent. Choosing the order is deprecated there;
// docs/decisions/0005 says what else there would be.
func speakHTTP2(s *http.Server) {
	if err := http2.ConfigureServer(s, &http2.Server{NewWriteScheduler: newLeaveFirst}); err != nil {
		panic("serve: " + err.Error()) // only for cipher suites, of which s has none of its own
	}
}

// A leaveFirst sends the leave to send more before everything else of a stream.
// Left to the usual order, it waits behind the answers of that stream, and those
// wait for the client to read: one that sends everything before it reads
// anything, as clients of the telemetry gateway do, would wait for that leave for
// ever. Only the goroutine of its connection uses it.
type leaveFirst struct {
	http2.WriteScheduler

	leaves []http2.FrameWriteRequest
}

func newLeaveFirst() http2.WriteScheduler {
	return &leaveFirst{WriteScheduler: http2.NewRandomWriteScheduler()}
}

// Push implements http2.WriteScheduler.
func (l *leaveFirst) Push(frame http2.FrameWriteRequest) {
	if frame.StreamID() != 0 && frame.DataSize() == 0 && isLeave(frame) {
		l.leaves = append(l.leaves, frame)
		return
	}
	l.WriteScheduler.Push(frame)
}

// Pop implements http2.WriteScheduler.
func (l *leaveFirst) Pop() (frame http2.FrameWriteRequest, ok bool) {
	if len(l.leaves) == 0 {
		return l.WriteScheduler.Pop()
	}
	frame = l.leaves[0]
	l.leaves = append(l.leaves[:0], l.leaves[1:]...)
	return frame, true
}

// CloseStream implements http2.WriteScheduler.
func (l *leaveFirst) CloseStream(id uint32) {
	kept := l.leaves[:0]
	for _, frame := range l.leaves {
		if frame.StreamID() != id {
			kept = append(kept, frame)
		}
	}
	l.leaves = kept
	l.WriteScheduler.CloseStream(id)
}

// isLeave reports whether frame is a WINDOW_UPDATE. The package shows a frame's
// size and stream, and its kind only in what it is called.
func isLeave(frame http2.FrameWriteRequest) bool {
	write := reflect.ValueOf(frame).FieldByName("write")
	return write.IsValid() && !write.IsNil() && write.Elem().Type().Name() == "writeWindowUpdate"
}
