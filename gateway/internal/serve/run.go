package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// closeWithin is how long delivery and the store may take to close even when the time to
// stop is over: more than a sync takes on a disk that works.
const closeWithin = time.Second

// Run serves until ctx ends or a listener fails, then stops the gateway. Nil
// means that it has stopped cleanly: every request begun was answered, or was
// cut off when its time was over, and the journal is closed. Call it once.
func (g *Gateway) Run(ctx context.Context) error {
	failed := make(chan error, 2)
	covered := g.cover()
	g.follow.run()
	watched, endWatch := context.WithCancel(context.Background())
	defer endWatch()
	var serving sync.WaitGroup
	serving.Go(func() { newIdleWatch().run(watched) })
	serving.Go(func() { g.watchFiles(watched) })
	serving.Go(func() { g.watchCertificates(watched) })
	for _, l := range g.listeners() {
		serving.Go(func() {
			if err := l.serve(); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("listener %s: %w", l.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	err = errors.Join(err, g.stop(covered))
	endWatch()
	serving.Wait()
	return err
}

// StopNow makes a stop stop waiting. It is for the second signal.
func (g *Gateway) StopNow() { g.endPatience() }

// stop has two phases, so that load balancers notice before the door closes.
// covered waits for the tamper evidence of what was stored last.
func (g *Gateway) stop(covered func(left time.Duration)) error {
	g.stopping.Store(true)
	g.log.Info("stopping: not ready", "delay", g.config.Stop.Delay.String())
	g.pause(g.config.Stop.Delay)

	g.log.Info("stopping: answering what has begun", "within", g.config.Stop.Within.String())
	begin := time.Now()
	ctx, cancel := context.WithTimeout(g.stopNow, g.config.Stop.Within)
	defer cancel()
	g.endStreams()
	for _, l := range g.listeners() {
		g.drain(ctx, l)
	}
	undelivered := g.stopDelivery(g.patience(begin))
	open := g.closeBooks(g.patience(begin)) // before the last record is covered: it writes one
	covered(g.patience(begin))
	return errors.Join(undelivered, open, g.closeStore(g.patience(begin)))
}

func (g *Gateway) closeBooks(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return g.follow.closeBooks(ctx)
}

// stopDelivery lets the writes under way end. What is not delivered waits in the
// journal for the next start, so that a destination which hangs costs the stop
// no more than its time.
func (g *Gateway) stopDelivery(within time.Duration) error {
	ctx, cancel := context.WithTimeout(g.stopNow, within)
	defer cancel()
	return g.follow.close(ctx)
}

// patience is the time that is left of a stop that began then, or a little more.
func (g *Gateway) patience(begin time.Time) time.Duration {
	left := g.config.Stop.Within - time.Since(begin)
	if g.stopNow.Err() != nil {
		left = 0
	}
	return max(left, closeWithin)
}

func (g *Gateway) closeStore(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	g.verifiers.Load().close(nil)
	if err := g.store.Close(ctx); err != nil {
		return err
	}
	if err := closeDestinations(ctx, g.destinations); err != nil {
		g.log.Warn("a destination did not close in time", "err", err)
	}
	g.log.Info("stopped")
	return nil
}

func (g *Gateway) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.stopNow.Done():
	}
}

// drain waits for the requests of l, and cuts off those that are not answered
// when ctx ends. Their callers do not know what was stored and send again.
func (g *Gateway) drain(ctx context.Context, l *listener) {
	if err := l.server.Shutdown(ctx); err != nil {
		g.log.Warn("requests were cut off", "listener", l.Addr().String(), "err", err)
		_ = l.server.Close() // closes every connection; its error is the listener's, closed already
	}
}

// listeners lists ingest first: while it drains, operations still answers.
func (g *Gateway) listeners() []*listener {
	if g.operations == nil {
		return []*listener{g.ingest}
	}
	return []*listener{g.ingest, g.operations}
}

// IngestURL is where events are received.
func (g *Gateway) IngestURL() string { return g.ingest.url() }

// OperationsURL is what the operations routes follow.
func (g *Gateway) OperationsURL() string {
	if g.operations == nil {
		return g.IngestURL() + "/-"
	}
	return g.operations.url()
}

// Config is the configuration the gateway was opened with, complete.
func (g *Gateway) Config() Config { return g.config }
