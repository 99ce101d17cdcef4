package serve

import (
	"io"
	"sync"
	"time"
)

const (
	flushWithin = 100 * time.Millisecond // the contract's
	flushAbove  = 64 << 10
)

// A LogBuffer collects log lines and writes them together, at most 100 ms
// later: a line per event must not cost a system call per event. It is safe for
// concurrent use.
type LogBuffer struct {
	w io.Writer

	mu    sync.Mutex // guards what follows, and the order of writes
	lines []byte
	timer *time.Timer // runs while lines wait
}

// NewLogBuffer returns a buffer in front of w. It starts nothing until a line
// is written.
func NewLogBuffer(w io.Writer) *LogBuffer { return &LogBuffer{w: w} }

// Write implements io.Writer. Nil means that the line is buffered.
func (b *LogBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line...)
	switch {
	case len(b.lines) > flushAbove:
		b.flush()
	case b.timer == nil:
		b.timer = time.AfterFunc(flushWithin, b.Flush)
	}
	return len(line), nil
}

// Flush writes the lines that wait.
func (b *LogBuffer) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
}

func (b *LogBuffer) flush() {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if len(b.lines) > 0 {
		_, _ = b.w.Write(b.lines) // there is nowhere left to say that it failed
		b.lines = b.lines[:0]
	}
}
