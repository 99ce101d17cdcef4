package serve

import (
	"io"
	"log/slog"
)

// NewLog returns the gateway's own log. Format auto means text where a person
// is looking, else JSON.
func NewLog(w io.Writer, terminal bool, c Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: logLevels[c.Level]}
	switch c.Format {
	case "json":
	case "gcp":
		options.ReplaceAttr = googleCloud
	case "text":
		return slog.New(slog.NewTextHandler(w, options))
	default:
		if terminal {
			return slog.New(slog.NewTextHandler(w, options))
		}
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// googleCloud names the fields as Cloud Logging expects them:
// https://cloud.google.com/logging/docs/structured-logging
func googleCloud(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.MessageKey:
		a.Key = "message"
	case slog.LevelKey:
		a.Key = "severity"
		if a.Value.Any() == slog.LevelWarn {
			a.Value = slog.StringValue("WARNING")
		}
	}
	return a
}
