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

	mu    sync.Mutex // guards kinds
	kinds map[auditKind]*auditLine
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
	times, due := a.due(auditKind{f.Protocol, f.Err.Reason, f.Caller, f.Remote})
	if !due {
		return
	}
	attrs := []any{"protocol", f.Protocol, "reason", f.Err.Reason, "remote", f.Remote, "times", times}
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
// included, and whether it is time for one.
func (a *audit) due(kind auditKind) (times int, due bool) {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	line := a.kinds[kind]
	if line == nil {
		line = a.add(kind, now)
	}
	line.since++
	if now.Sub(line.at) < auditEvery {
		return 0, false
	}
	times, line.since, line.at = line.since, 0, now
	return times, true
}

// add makes room for another kind: those that nobody wrote about lately go first.
// The caller holds a.mu.
func (a *audit) add(kind auditKind, now time.Time) *auditLine {
	if len(a.kinds) >= maxKinds {
		for k, line := range a.kinds {
			if now.Sub(line.at) >= auditEvery && line.since == 0 {
				delete(a.kinds, k)
			}
		}
	}
	if len(a.kinds) >= maxKinds {
		kind.remote = elsewhere // at most one for each protocol, reason and caller
		if line := a.kinds[kind]; line != nil {
			return line
		}
	}
	line := &auditLine{at: now.Add(-auditEvery)}
	a.kinds[kind] = line
	return line
}
