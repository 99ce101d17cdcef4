package daybook

import (
	"context"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"
)

// reportHeader tells a gateway how many events were dropped before they reached
// it, as pairs reason=count.
const reportHeader = "Daybook-Client-Report"

type reportKey struct{}

// withReport returns a context whose request brings that report; none for "".
func withReport(ctx context.Context, report string) context.Context {
	if report == "" && reportOf(ctx) == "" {
		return ctx
	}
	return context.WithValue(ctx, reportKey{}, report)
}

func reportOf(ctx context.Context) string {
	report, _ := ctx.Value(reportKey{}).(string)
	return report
}

// report returns what the gateway has not been told yet, and the counts to
// remember once it has. Callers hold mu.
func (l *lane) report() (text string, reported, early tally) {
	reported, early = l.dropped, l.core.early()
	since, sinceEarly := reported.minus(&l.reported), early.minus(&l.reportedEarly)
	since.add(&sinceEarly)
	var b strings.Builder
	for why, n := range since {
		if n == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(reason(why).String())
		b.WriteByte('=')
		b.WriteString(strconv.FormatUint(min(n, maxReported), 10))
	}
	return b.String(), reported, early
}

// maxReported is the largest count that gateways believe.
const maxReported = 1_000_000_000

// A reporter tells the logger and OnDrop about drops and trouble: on its own
// goroutine, a little later, and the logger not too often.
type reporter struct {
	core *core

	mu       sync.Mutex // guards what follows
	timer    *time.Timer
	armed    bool
	stopped  bool
	telling  chan struct{} // closed at the end of the report under way; nil = none is
	again    bool          // there is news since it began
	lastLine time.Time
	urgent   bool // something happened that deserves a line
	sink     string
	err      error // the last trouble, of sink
	told     map[string]tally
	logged   tally
}

const (
	reportDelay = 100 * time.Millisecond // drops are gathered so long
	linePause   = 30 * time.Second       // between two lines
)

func (r *reporter) start(co *core) {
	r.core, r.told = co, map[string]tally{}
	r.timer = time.AfterFunc(time.Hour, r.tell)
	r.timer.Stop()
}

// note is called for every drop, also with locks held: it only sets a timer.
func (r *reporter) note(why reason) { r.arm(!why.intended(), "", nil) }

// trouble notes that a sink could not be delivered to.
func (r *reporter) trouble(sink string, err error) { r.arm(true, sink, err) }

func (r *reporter) arm(urgent bool, sink string, err error) {
	if r.core == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.urgent = r.urgent || urgent
	if err != nil {
		r.sink, r.err = sink, err
	}
	if r.telling != nil {
		r.again = true
		return
	}
	r.rearm(reportDelay)
}

// rearm makes the next report, unless one is due already. Callers hold mu.
func (r *reporter) rearm(wait time.Duration) {
	if r.armed || r.stopped {
		return
	}
	r.armed = true
	r.timer.Reset(wait)
}

// tell reports what has gathered. Reports are made one at a time: whoever is told
// may take as long as they like.
func (r *reporter) tell() {
	r.mu.Lock()
	r.armed = false
	if r.stopped || r.telling != nil {
		r.again = true
		r.mu.Unlock()
		return
	}
	told := make(chan struct{})
	r.telling, r.again = told, false
	r.mu.Unlock()
	r.report(false)
	r.mu.Lock()
	defer r.mu.Unlock()
	close(told)
	r.telling = nil
	if r.again {
		r.rearm(reportDelay)
	}
}

// stop reports the rest, after a report under way. It waits until ctx ends, and
// a moment in any case, for who is told: not on the goroutine of who closes, who
// may hold what they want.
func (r *reporter) stop(ctx context.Context) {
	r.mu.Lock()
	r.stopped = true
	if r.timer != nil {
		r.timer.Stop()
	}
	telling := r.telling
	r.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if telling != nil {
			<-telling
		}
		r.report(true)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(closeGrace):
	}
}

// report tells OnDrop, and the logger where a line is due.
func (r *reporter) report(last bool) {
	if r.core == nil {
		return
	}
	defer func() { _ = recover() }() // OnDrop and the logger are the application's
	drops, total := r.news()
	cfg := &r.core.state.Load().cfg
	if cfg.OnDrop != nil {
		for _, d := range drops {
			cfg.OnDrop(d)
		}
	}
	r.mu.Lock()
	wait := linePause - time.Since(r.lastLine)
	if !r.urgent || wait > 0 && !last {
		if r.urgent {
			r.rearm(wait)
		}
		r.mu.Unlock()
		return
	}
	since := total.minus(&r.logged)
	sink, err := r.sink, r.err
	r.logged, r.lastLine, r.urgent, r.sink, r.err = total, time.Now(), false, "", nil
	r.mu.Unlock()
	line(cfg.Logger, &since, sink, err)
}

// news returns the drops since the last call, and all there have been.
func (r *reporter) news() (drops []Drop, total tally) {
	now := map[string]tally{"": r.core.early()}
	for name, c := range r.core.counters() {
		now[name] = c.dropped
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for sink, t := range now {
		total.add(&t)
		before := r.told[sink]
		since := t.minus(&before)
		for why, n := range since {
			if n > 0 {
				drops = append(drops, Drop{Sink: sink, Reason: reason(why).String(), Events: int(n)})
			}
		}
	}
	maps.Copy(r.told, now)
	return drops, total
}

// line writes one line. It has counts and reasons, never content.
func line(l *slog.Logger, dropped *tally, sink string, err error) {
	if l == nil {
		l = slog.Default()
	}
	var args []any
	lost := 0
	for why, n := range dropped {
		if n > 0 && !reason(why).intended() {
			args = append(args, slog.Uint64(reason(why).String(), n))
			lost += int(n)
		}
	}
	ctx := context.WithValue(context.Background(), ownLineKey{}, true)
	var attrs []any
	if lost > 0 {
		attrs = append(attrs, slog.Int("events", lost), slog.Group("dropped", args...))
	}
	if err != nil {
		attrs = append(attrs, slog.String("sink", sink), slog.Any("err", err))
	}
	switch {
	case lost > 0:
		l.WarnContext(ctx, "daybook: events were dropped", attrs...)
	case err != nil:
		l.WarnContext(ctx, "daybook: events are not delivered", attrs...)
	}
}

// ownLineKey marks the context of lines that this package writes itself, which
// its own slog handler must not record as events again.
type ownLineKey struct{}
