package serve

import (
	"context"
	"log/slog"
	"sync/atomic"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/logevent"
)

// batchLog writes about batches: one line each for who wants them or where
// something was refused, and one when storing begins to fail and one when it
// works again. It never sees metadata.
type batchLog struct {
	log     *slog.Logger
	level   slog.Level // of the line per batch in which nothing is refused
	failing atomic.Bool
}

func newBatchLog(log *slog.Logger, c Log) *batchLog {
	level := slog.LevelDebug
	if c.Events == "all" {
		level = slog.LevelInfo
	}
	return &batchLog{log: log, level: level}
}

// observe is told the outcomes of every batch.
func (l *batchLog) observe(b accept.Batch, outcomes []daybook.Outcome) {
	counts, failure := tally(outcomes)
	l.change(failure, counts[daybook.Stored])
	if b.Protocol == logevent.Protocol {
		return // it has lines of its own, see eventLog
	}
	level := l.level
	if counts[daybook.Refused] > 0 {
		level = max(level, slog.LevelInfo)
	}
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{slog.String("caller", b.Caller.Name), slog.String("protocol", b.Protocol), slog.String("request", b.Request)}
	for status, n := range counts {
		if n > 0 {
			attrs = append(attrs, slog.Int(daybook.Status(status).String(), n))
		}
	}
	if counts[daybook.Refused] > 0 {
		attrs = append(attrs, slog.String("reason", firstReason(outcomes)))
	}
	l.log.LogAttrs(context.Background(), level, "events received", attrs...)
}

// firstReason is that of the first event that was refused.
func firstReason(outcomes []daybook.Outcome) string {
	for i := range outcomes {
		if outcomes[i].Status == daybook.Refused {
			return outcomes[i].Reason
		}
	}
	return ""
}

// logRefused writes the line of a request that was refused as a whole: for
// LogEvent the contract's, among the lines about single events.
//
// A refusal for who sent the request has a line of the audit's; a flood of them
// must not be a flood of lines.
func logRefused(log, events *slog.Logger, r intake.Refusal) {
	level := slog.LevelInfo
	if r.Err.Where == caller.Where {
		level = slog.LevelDebug
	}
	attrs := append([]slog.Attr{slog.String("request", r.Request)}, reasonOf(r.Err)...)
	if r.Protocol == logevent.Protocol {
		events.LogAttrs(context.Background(), level, requestRejected, attrs...)
		return
	}
	log.LogAttrs(context.Background(), level, "request refused", append(attrs, slog.String("protocol", r.Protocol))...)
}

// change notes when storing begins to fail and when it works again.
func (l *batchLog) change(failure error, stored int) {
	switch {
	case failure != nil && l.failing.CompareAndSwap(false, true):
		l.log.Error("events cannot be stored; callers are told to send them again", "err", failure)
	case failure == nil && stored > 0 && l.failing.Load() && l.failing.CompareAndSwap(true, false):
		l.log.Info("events are stored again")
	}
}

// tally counts the outcomes by status and returns the first failure to store: a
// caller over its quota is none.
func tally(outcomes []daybook.Outcome) (counts [daybook.Failed + 1]int, failure error) {
	for i := range outcomes {
		counts[outcomes[i].Status]++
		if outcomes[i].Status == daybook.Failed && failure == nil && outcomes[i].Reason != caller.ReasonQuota {
			failure = outcomes[i].Err
		}
	}
	return counts, failure
}
