package journal

import "time"

// A passing is a clock that is never set: it starts with the time that is
// believed when the journal is opened, and goes on as time passes. By it ids are
// remembered for the window, whatever the system's clock says meanwhile. Times
// are nanoseconds since 1970.
type passing struct {
	start int64
	since time.Time
}

func startPassing(at time.Time) passing { return passing{start: at.UnixNano(), since: time.Now()} }

func (p passing) now() int64 { return p.start + int64(time.Since(p.since)) }
