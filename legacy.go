package daybook

import (
	"context"
	"log/slog"
	"strings"
)

// Legacy holds what behavioural events of the old shape say besides the
// client's attributes. Empty texts are written as they are, but for those that
// say otherwise.
type Legacy struct {
	AppName, Mode, Medium, Space, ScreenName string

	// OlapConnector and Connectors are the payload. Both empty leave it out.
	OlapConnector string
	Connectors    []string
}

// RecordLegacy records a behavioural event in the shape that old readers know.
// It needs install_id, user_id, service_commit and service_version among the
// attributes of the client, the context or the call; an [*Error] names the first
// one missing. Nil means that the event is queued, or that recording is off.
func (c *Client) RecordLegacy(ctx context.Context, l Legacy, name string, list ...slog.Attr) error {
	st := c.recording(1)
	if st == nil {
		return nil
	}
	if c.core.closing.Load() {
		c.core.drop(closed, 1)
		return ErrClosed
	}
	e := drafts.Get().(*draft)
	defer e.release()
	event := c.begin(ctx, e, st, entry{typ: Behavioral, name: name}, list)
	for _, key := range [...]string{keyInstallID, keyUserID, keyServiceCommit, keyServiceVersion} {
		if strings.TrimSpace(e.object.Text(key)) == "" {
			c.core.drop(invalid, 1)
			return &Error{
				Code: Invalid, Where: "event", Field: key, Reason: "missing_attribute",
				Message: "a legacy event needs the attribute " + key,
			}
		}
	}
	if strings.TrimSpace(name) == "" {
		c.core.drop(invalid, 1)
		return &Error{Code: Invalid, Where: "event", Field: "event_name", Reason: "blank_name", Message: "an event must have a name"}
	}
	e.object.Add(l.attrs(&event, e.object.Text(keyServiceCommit), e.object.Text(keyServiceVersion)))
	decision := c.core.settings.current().decide(&event, e.object.Text)
	if !decision.Keep {
		c.core.drop(sampledOut, 1)
		return nil
	}
	event.SampleRate = decision.Rate
	e.seal(c.core, &event)
	return c.core.enqueue(ctx, st, [][]byte{e.packed})
}

func (l *Legacy) attrs(e *Event, commit, version string) []slog.Attr {
	list := []slog.Attr{
		slog.String("build_id", commit), slog.String("version", version),
		slog.String("app_name", l.AppName), slog.String("mode", l.Mode), slog.String("action", e.Name),
		slog.String("medium", l.Medium), slog.String("space", l.Space), slog.String("screen_name", l.ScreenName),
		slog.Int64("event_datetime", e.Time.UnixMilli()),
	}
	var payload []any
	if l.OlapConnector != "" {
		payload = append(payload, slog.String("olap_connector", l.OlapConnector))
	}
	if len(l.Connectors) > 0 {
		payload = append(payload, slog.Any("connectors", l.Connectors))
	}
	return append(list, slog.Group("payload", payload...))
}
