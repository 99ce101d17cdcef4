package telemetrygateway

import (
	"net/http"
	"sync"
	"time"
)

// A peer is the other side of a stream. The server gives every request some minutes;
// a stream has as long as it takes, as long as something moves in either direction:
// a client may upload for an hour before it reads its first answer, and answers are
// not written meanwhile. Until it has said who it is it has little time, whatever
// moves. A nil peer has the time that the server gives.
type peer struct {
	connection *http.ResponseController
	idle       time.Duration

	mu      sync.Mutex
	known   bool      // guarded by mu, like everything below: it has said who it is
	renewed time.Time // zero = not yet
	stopped bool      // nothing more is read from it
}

// farewell is how much longer writing lasts than reading, so that a silent peer can
// be told why its stream ends.
const farewell = 10 * time.Second

// newPeer returns a peer that nobody knows, which has so long to change that.
func newPeer(w http.ResponseWriter, introduction, idle time.Duration) *peer {
	p := &peer{connection: http.NewResponseController(w), idle: idle}
	p.until(time.Now().Add(introduction))
	return p
}

// until ends reading at a time, and writing somewhat later. Without deadlines, as
// behind a recorder in a test, there is nothing to end.
func (p *peer) until(deadline time.Time) {
	_ = p.connection.SetReadDeadline(deadline)
	_ = p.connection.SetWriteDeadline(deadline.Add(farewell))
}

// introduced says that the peer has said who it is.
func (p *peer) introduced() {
	p.mu.Lock()
	p.known = true
	p.mu.Unlock()
	p.alive()
}

// alive says that something has moved. The deadlines follow within a hundredth of
// the time a peer has, so that a byte costs no timer.
func (p *peer) alive() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.stopped || !p.known || !p.renewed.IsZero() && now.Sub(p.renewed) < p.idle/100 {
		return
	}
	p.renewed = now
	p.until(now.Add(p.idle))
}

// stop ends reading, also the read under way. Writing goes on.
func (p *peer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	_ = p.connection.SetReadDeadline(time.Now())
}
