package serve

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
)

// An audit tells of the requests that were turned away for who sent them: a
// counter counts each, and a line in the log says the first of a kind, and then
// once in a while how many there were. It never sees a credential.
type audit struct {
	log     *slog.Logger
	metrics *metrics
	now     func() time.Time

	mu    sync.Mutex // guards the next two
	kinds map[auditKind]*auditLine
	swept time.Time // when room was made
}

// A refusal's kind: those of one kind share a line.
type auditKind struct{ protocol, reason, caller, remote string }

// An auditLine is when a kind was last written about, and how many there were
// since.
type auditLine struct {
	at    time.Time
	since int
}

const (
	auditEvery = time.Minute
	maxKinds   = 1024
)

// elsewhere stands for the addresses beyond those that are told apart: whoever
// has many must not fill the memory, nor the log.
const elsewhere = "elsewhere"

func newAudit(log *slog.Logger, m *metrics) *audit {
	return &audit{log: log, metrics: m, now: time.Now, kinds: map[auditKind]*auditLine{}}
}

// refused is told of every refusal.
func (a *audit) refused(f caller.Refusal) {
	a.metrics.countAuthRefusal(f)
	kind, times, due := a.due(auditKind{f.Protocol, f.Err.Reason, f.Caller, f.Remote})
	if !due {
		return
	}
	attrs := []any{"protocol", f.Protocol, "reason", f.Err.Reason, "remote", kind.remote, "times", times}
	if f.Caller != "" {
		attrs = append(attrs, "caller", f.Caller)
	}
	if f.Err.Err != nil {
		attrs = append(attrs, "err", f.Err.Err)
	}
	a.log.Warn("requests refused for who sent them", attrs...)
}

// refusedOperator is told of every refusal of the operations listener.
func (a *audit) refusedOperator(r *http.Request, reason string) {
	a.refused(caller.Refusal{
		Protocol: "operations", Remote: caller.Remote(r), Err: &daybook.Error{Code: daybook.Unauthenticated, Reason: reason},
	})
}

// due returns how many of a kind there were since its last line, this one
// included, and whether it is time for one. The kind is the one that it is counted
// as.
func (a *audit) due(kind auditKind) (as auditKind, times int, due bool) {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kinds[kind] == nil && !a.room(now) {
		kind.remote = elsewhere // at most one for each protocol, reason and caller
	}
	line := a.kinds[kind]
	if line == nil {
		line = &auditLine{at: now.Add(-auditEvery)}
		a.kinds[kind] = line
	}
	line.since++
	if now.Sub(line.at) < auditEvery {
		return kind, 0, false
	}
	times, line.since, line.at = line.since, 0, now
	return kind, times, true
}

// room reports whether another kind can be told apart. Those that were not seen
// lately go, but only once a minute: a flood must not make us look at all of them
// each time. The caller holds a.mu.
func (a *audit) room(now time.Time) bool {
	if len(a.kinds) < maxKinds {
		return true
	}
	if now.Sub(a.swept) < auditEvery {
		return false
	}
	a.swept = now
	for kind, line := range a.kinds {
		if now.Sub(line.at) >= auditEvery { // the counter has what no line has said yet
			delete(a.kinds, kind)
		}
	}
	return len(a.kinds) < maxKinds
}
