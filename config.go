package daybook

import (
	"cmp"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Config says what a [Client] records and where to. The zero value of every
// field is its default.
type Config struct {
	// Gateway is the address of a Daybook gateway, such as
	// "http://localhost:8080", and Key proves to it who is sending. They are
	// short for a sink named "gateway". Empty means DAYBOOK_GATEWAY and
	// DAYBOOK_KEY. No gateway and no sinks is an error: whoever wants to record
	// nowhere says so with [Discard].
	Gateway, Key string

	// Service, Version and Commit become service_name, service_version and
	// service_commit of every event. Empty adds nothing.
	Service, Version, Commit string

	// Dev adds is_dev=true to every event.
	Dev bool

	// InstallID becomes install_id of every event. Empty adds nothing.
	InstallID string

	// Attrs are added to every event, behind those above.
	Attrs []slog.Attr

	// Sinks are where events go, by name. Each has its own lane: one that is
	// slow or down does not hold up another. The name is what the kill switch
	// calls it. The client owns the sinks and closes them.
	Sinks map[string]Sink

	Queue QueueOptions
	Batch BatchOptions
	Retry RetryOptions
	Spool SpoolOptions

	// Settings are what may change while the program runs: sampling, kill
	// switches, batch sizes. Nil asks the gateway, where there is one;
	// StaticSettings(Settings{}) asks nobody.
	Settings SettingsSource

	// Hosts are further hosts, such as "events-eu.acme.dev", to which settings
	// may move the gateway. The key is sent to none of them.
	Hosts []string

	// OptOut says why nothing is to be recorded; "" records. It is asked by
	// Open, by every call that records and by Reconfigure, so it must be quick.
	// Nil means that only DO_NOT_TRACK counts. See [OptOutEnv].
	OptOut func() string

	// IgnoreDoNotTrack is for servers, whose environment is not a user's wish.
	IgnoreDoNotTrack bool

	// Logger is told when events are lost or cannot be delivered, in one line
	// per 30 seconds at most. Nil means slog.Default(), as it is at that time.
	Logger *slog.Logger

	// OnDrop is told about dropped events, a little later and never on the
	// goroutine of a caller. Nil tells nobody: [Client.Stats] counts anyway.
	OnDrop func(Drop)

	// CloseWithin bounds Close. Zero means 5s.
	CloseWithin time.Duration

	// Now is the clock that events are dated by. Nil means time.Now.
	Now func() time.Time
}

// QueueOptions bound what waits in memory, for each sink.
type QueueOptions struct {
	Events   int // zero means 8,192
	Bytes    int // zero means 16 MiB
	WhenFull WhenFull
}

// WhenFull is what happens to an event for which the queue has no room.
type WhenFull uint8

const (
	// SpillElseDropNewest moves events to the spool before the queue is full.
	// Without a spool, or when the disk is too slow, the new event is dropped.
	SpillElseDropNewest WhenFull = iota
	DropNewest                   // the new event is dropped
	DropOldest                   // the event that has waited longest is dropped
	Wait                         // Enqueue waits; Record, which never does, drops the new event
)

// BatchOptions say when events are sent together. A batch is sent as soon as
// one of the three is reached.
type BatchOptions struct {
	Events int           // zero means 200
	Bytes  int           // zero means 512 KiB
	Age    time.Duration // of its first event; zero means 10s, or OTEL_LOGS_EXPORT_INTERVAL (in ms) where that is set
}

// RetryOptions say how long to wait after a failed attempt: a random time up to
// a limit that starts at Min and doubles up to Max, and never less than the
// other side asked for.
type RetryOptions struct {
	Min time.Duration // zero means 500ms
	Max time.Duration // zero means 1min

	// Attempts is how often a batch that no spool takes is tried before it is
	// dropped. Zero means for ever.
	Attempts int
}

// SpoolOptions say what is kept on disk for later. See docs/spool-format.md.
type SpoolOptions struct {
	// Dir is the directory; it may be shared by all processes of a program, and
	// is made where it is not there. Empty means that nothing is kept.
	Dir string

	// Bytes bounds the files of this process; the oldest events give way. Zero
	// means 64 MiB.
	Bytes int64

	// Age is how long an event is kept. Zero means 7 days.
	Age time.Duration
}

const (
	defaultQueueEvents = 8192
	defaultQueueBytes  = 16 << 20
	defaultBatchEvents = 200
	defaultBatchBytes  = 512 << 10
	defaultBatchAge    = 10 * time.Second
	defaultRetryMin    = 500 * time.Millisecond
	defaultRetryMax    = time.Minute
	defaultSpoolBytes  = 64 << 20
	defaultSpoolAge    = 7 * 24 * time.Hour
	defaultCloseWithin = 5 * time.Second
)

func (o QueueOptions) orDefault() QueueOptions {
	o.Events = cmp.Or(o.Events, defaultQueueEvents)
	o.Bytes = cmp.Or(o.Bytes, defaultQueueBytes)
	return o
}

func (o BatchOptions) orDefault() BatchOptions {
	o.Events = cmp.Or(o.Events, defaultBatchEvents)
	o.Bytes = cmp.Or(o.Bytes, defaultBatchBytes)
	o.Age = cmp.Or(o.Age, ageFromEnv(), defaultBatchAge)
	return o
}

// ageFromEnv is the delay that OpenTelemetry's batch processors take from the
// environment; the first-party logger has always read it.
func ageFromEnv() time.Duration {
	age, err := time.ParseDuration(os.Getenv("OTEL_LOGS_EXPORT_INTERVAL") + "ms")
	if err != nil || age <= 0 {
		return 0
	}
	return min(max(age, minBatchAge), maxBatchAge)
}

func (o RetryOptions) orDefault() RetryOptions {
	o.Min = cmp.Or(o.Min, defaultRetryMin)
	o.Max = max(cmp.Or(o.Max, defaultRetryMax), o.Min)
	return o
}

func (o SpoolOptions) orDefault() SpoolOptions {
	o.Bytes = cmp.Or(o.Bytes, defaultSpoolBytes)
	o.Age = cmp.Or(o.Age, defaultSpoolAge)
	return o
}

// gatewaySink is the name of the sink that Config.Gateway stands for.
const gatewaySink = "gateway"

// complete fills in defaults, or says what is wrong. The returned Config shares
// no map or slice with the given one.
func complete(cfg Config) (Config, error) {
	if len(cfg.Sinks) == 0 {
		// Who names sinks has said where events go: the environment adds none.
		cfg.Gateway = cmp.Or(cfg.Gateway, os.Getenv("DAYBOOK_GATEWAY"))
	}
	cfg.Key = cmp.Or(cfg.Key, os.Getenv("DAYBOOK_KEY"))
	if cfg.Gateway == "" && len(cfg.Sinks) == 0 {
		return cfg, configError("gateway", "no_destination",
			"there is no gateway and no sink: set Config.Gateway or DAYBOOK_GATEWAY, or name daybook.Discard in Config.Sinks to record nowhere")
	}
	for name, sink := range cfg.Sinks {
		if sink == nil {
			return cfg, configError("sinks", "no_sink", "a sink in Config.Sinks is nil")
		}
		if !goodSinkName(name) {
			return cfg, configError("sinks", "invalid_name",
				"the name of a sink must have 1 to 64 characters of a-z, A-Z, 0-9, - and _")
		}
	}
	if _, taken := cfg.Sinks[gatewaySink]; taken && cfg.Gateway != "" {
		return cfg, configError("sinks", "two_gateways", "Config.Gateway and Config.Sinks both have a sink named gateway")
	}
	if cfg.Gateway != "" {
		if _, err := Gateway(cfg.Gateway, GatewayOptions{Key: cfg.Key}); err != nil {
			return cfg, err
		}
	}
	if cfg.Queue.WhenFull > Wait {
		return cfg, configError("queue", "invalid_policy", "Queue.WhenFull is none of the constants")
	}
	if least := min(int64(cfg.Queue.Events), int64(cfg.Queue.Bytes), int64(cfg.Batch.Events), int64(cfg.Batch.Bytes),
		int64(cfg.Batch.Age), int64(cfg.Retry.Min), int64(cfg.Retry.Max), int64(cfg.Retry.Attempts),
		cfg.Spool.Bytes, int64(cfg.Spool.Age), int64(cfg.CloseWithin)); least < 0 {
		return cfg, configError("", "negative", "a size, number or time is less than zero")
	}
	cfg.Queue, cfg.Batch = cfg.Queue.orDefault(), cfg.Batch.orDefault()
	cfg.Retry, cfg.Spool = cfg.Retry.orDefault(), cfg.Spool.orDefault()
	cfg.CloseWithin = cmp.Or(cfg.CloseWithin, defaultCloseWithin)
	// Who changes the maps and slices afterwards, and calls Reconfigure with
	// them, must not have changed what that compares them with.
	cfg.Sinks, cfg.Attrs, cfg.Hosts = maps.Clone(cfg.Sinks), slices.Clone(cfg.Attrs), slices.Clone(cfg.Hosts)
	return cfg, nil
}

func configError(field, reason, message string) error {
	return &Error{Code: Invalid, Where: "config", Field: field, Reason: reason, Message: message}
}

// goodSinkName reports whether name can be a directory and a word in settings.
func goodSinkName(name string) bool {
	return len(name) >= 1 && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// hostOf returns the host, with its port, of a gateway's address.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// StateDir returns the directory in which a program named app keeps what must
// survive it: $XDG_STATE_HOME/app, or the platform's like. It is "" where there
// is none, which leaves a spool off.
func StateDir(app string) string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, app)
	}
	home, err := os.UserHomeDir()
	switch {
	case runtime.GOOS == "windows":
		if dir := os.Getenv("LocalAppData"); dir != "" {
			return filepath.Join(dir, app)
		}
		return ""
	case err != nil || !filepath.IsAbs(home):
		return ""
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Application Support", app)
	default:
		return filepath.Join(home, ".local", "state", app)
	}
}
