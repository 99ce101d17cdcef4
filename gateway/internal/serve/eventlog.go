package serve

import (
	"context"
	"errors"
	"log/slog"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/intake/logevent"
	"daybook.dev/gateway/internal/store"
)

// eventLog writes the lines about single events that the event-logging contract
// names: what became of each call of LogEvent, step by step. Successes are at
// debug, or at info where log.events is all; refusals and failures at info. It
// never sees metadata.
type eventLog struct {
	log     *slog.Logger
	success slog.Level
}

// The names of the contract; people search for them and alert on them.
const (
	requestAccepted  = "events.log_event.request_accepted"
	requestRejected  = "events.log_event.request_rejected"
	writeSucceeded   = "events.log_event.write_succeeded"
	writeFailed      = "events.log_event.write_failed"
	forwardSucceeded = "events.log_event.forward_succeeded"
	forwardFailed    = "events.log_event.forward_failed"
)

func newEventLog(log *slog.Logger, c Log) *eventLog {
	l := &eventLog{log: log, success: slog.LevelDebug}
	if c.Events == "all" {
		l.success = slog.LevelInfo
	}
	return l
}

// observe is told the outcomes of every batch.
func (l *eventLog) observe(b accept.Batch, outcomes []daybook.Outcome) {
	if b.Protocol != logevent.Protocol {
		return
	}
	for i := range outcomes {
		l.outcome(&b, &outcomes[i])
	}
}

func (l *eventLog) outcome(b *accept.Batch, o *daybook.Outcome) {
	failed := o.Status == daybook.Refused || o.Status == daybook.Failed
	if !failed && !l.log.Enabled(context.Background(), l.success) {
		return
	}
	attrs := []slog.Attr{slog.String("caller", b.Caller.Name), slog.String("request", b.Request)}
	if o.ID != "" {
		attrs = append(attrs, slog.String("event_id", o.ID))
	}
	if o.Status == daybook.Refused {
		l.line(slog.LevelInfo, requestRejected, append(attrs, reasonOf(o.Err)...))
		return
	}
	l.line(l.success, requestAccepted, attrs)
	switch o.Status {
	case daybook.Stored, daybook.Duplicate:
		l.line(l.success, writeSucceeded, attrs)
	case daybook.Failed:
		l.line(slog.LevelInfo, writeFailed, append(attrs, reasonOf(o.Err)...))
	}
}

// forwarded is told what came of each attempt to forward an event.
func (l *eventLog) forwarded(r *store.Record, destination string, err error) {
	attrs := []slog.Attr{
		slog.String("caller", r.Caller), slog.String("event_id", r.Event.ID), slog.String("destination", destination),
	}
	if err != nil {
		l.line(slog.LevelInfo, forwardFailed, append(attrs, reasonOf(err)...))
		return
	}
	l.line(l.success, forwardSucceeded, attrs)
}

func (l *eventLog) line(level slog.Level, name string, attrs []slog.Attr) {
	l.log.LogAttrs(context.Background(), level, name, attrs...) //nolint:sloglint // name is one of the constants above
}

// reasonOf says why without repeating what the caller sent.
func reasonOf(err error) []slog.Attr {
	e, ok := errors.AsType[*daybook.Error](err)
	if !ok {
		if err == nil {
			return nil
		}
		return []slog.Attr{slog.Any("err", err)}
	}
	attrs := []slog.Attr{slog.String("code", e.Code.String()), slog.String("reason", e.Reason)}
	if e.Field != "" {
		attrs = append(attrs, slog.String("field", e.Field))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("err", e.Err))
	}
	return attrs
}
