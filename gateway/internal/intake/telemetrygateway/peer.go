package telemetrygateway

import (
	"net/http"
	"sync"
	"time"
)

// A peer is the other side of a call. The server gives every request some minutes;
// a stream has as long as it takes, as long as something moves in either direction:
// a client may upload for an hour before it reads its first answer, and answers are
// not written meanwhile.
type peer struct {
	connection *http.ResponseController
	idle       time.Duration

	mu      sync.Mutex
	renewed time.Time // guarded by mu, like everything below
	stopped bool      // nothing more is read from it
}

// farewell is how much longer writing lasts than reading, so that a silent peer can
// be told why its stream ends.
const farewell = 10 * time.Second

func newPeer(w http.ResponseWriter, idle time.Duration) *peer {
	p := &peer{connection: http.NewResponseController(w), idle: idle}
	p.alive()
	return p
}

// alive says that something has moved. The deadlines follow within a hundredth of
// the time a peer has, so that a byte costs no timer.
func (p *peer) alive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.stopped || !p.renewed.IsZero() && now.Sub(p.renewed) < p.idle/100 {
		return
	}
	p.renewed = now
	deadline := now.Add(p.idle)
	// Without deadlines, as behind a recorder in a test, there is nothing to renew.
	_ = p.connection.SetReadDeadline(deadline)
	_ = p.connection.SetWriteDeadline(deadline.Add(farewell))
}

// stop ends reading, also the read under way. Writing goes on.
func (p *peer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	_ = p.connection.SetReadDeadline(time.Now())
}
