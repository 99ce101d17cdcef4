package need

import (
	"testing"
	"time"
)

// Time makes tests whose Run returns when the goroutines that they have ended are
// gone, or after a minute, for
//
//	goleak.VerifyTestMain(need.Time(m, goleak.Find))
//
// By itself goleak waits for less than half a second. A goroutine that is on its
// way out can take longer where there are more programs than processors.
func Time[Option any](m *testing.M, find func(...Option) error) interface{ Run() int } {
	return &patient{run: m.Run, quiet: func() bool { return find() == nil }, within: time.Minute}
}

type patient struct {
	run    func() int
	quiet  func() bool
	within time.Duration
}

func (p *patient) Run() int {
	code := p.run()
	if code != 0 {
		return code // goleak does not look either
	}
	for end := time.Now().Add(p.within); !p.quiet() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return code
}
