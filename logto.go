package daybook

import (
	"context"
	"log/slog"
	"slices"
)

// LogTo returns a sink that writes a line for every event to l. A nil l means
// slog.Default(), as it is at that time. Where l does not take the level the
// sink does nothing. The lines have the events' metadata in them: they are for
// development.
func LogTo(l *slog.Logger, level slog.Level) Sink { return &logTo{logger: l, level: level} }

type logTo struct {
	logger *slog.Logger
	level  slog.Level
}

// Write implements [Sink].
func (s *logTo) Write(ctx context.Context, events []Event) error {
	l := s.logger
	if l == nil {
		l = slog.Default()
	}
	ctx = context.WithValue(ctx, ownLineKey{}, true)
	if !l.Enabled(ctx, s.level) {
		return nil
	}
	for _, e := range events {
		e = e.clone() // handlers may keep what they are given
		attrs := []slog.Attr{
			slog.String("event_name", e.Name), slog.String("event_id", e.ID),
			slog.String("event_type", string(e.Type)), slog.Time("event_time", e.Time),
		}
		if e.Actor != "" {
			attrs = append(attrs, slog.String("actor_id", e.Actor))
		}
		if e.SampleRate != 0 {
			attrs = append(attrs, slog.Float64("sample_rate", e.SampleRate))
		}
		if e.Metadata != nil {
			attrs = append(attrs, slog.Any("metadata", jsonText(e.Metadata)))
		}
		l.LogAttrs(ctx, s.level, "event", attrs...)
	}
	return nil
}

// Close implements [Sink].
func (s *logTo) Close(context.Context) error { return nil }

// jsonText is JSON that handlers of JSON write as such, and others as text.
type jsonText []byte

// MarshalJSON implements [json.Marshaler].
func (t jsonText) MarshalJSON() ([]byte, error) { return slices.Clone(t), nil }

// MarshalText implements [encoding.TextMarshaler].
func (t jsonText) MarshalText() ([]byte, error) { return slices.Clone(t), nil }
