package need

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTestsThatHavePassedWaitForWhatIsOnItsWayOut(t *testing.T) {
	for name, c := range map[string]struct {
		code  int
		lasts time.Duration // of what they leave behind
		least time.Duration
		most  time.Duration
	}{
		"nothing is left":              {0, 0, 0, 0},
		"it is gone after ten seconds": {0, 10 * time.Second, 10 * time.Second, 11 * time.Second},
		"it stays":                     {0, time.Hour, time.Minute, 61 * time.Second},
		"they have failed":             {1, time.Hour, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				p := &patient{
					run:    func() int { return c.code },
					quiet:  func() bool { return time.Since(begin) >= c.lasts },
					within: time.Minute,
				}
				code := p.Run()
				if took := time.Since(begin); code != c.code || took < c.least || took > c.most {
					t.Errorf("code %d after %v, want %d after %v to %v", code, took, c.code, c.least, c.most)
				}
			})
		})
	}
}
