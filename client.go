package daybook

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"daybook.dev/internal/attrs"
)

// A Client records events. Its methods may be called from any goroutine, and
// none of them ever panics. A nil Client and the zero Client are disabled: they
// record nothing and fail at nothing, so a program that could not open its
// client goes on with what it has.
type Client struct {
	core    *core
	fields  []attrs.Field // of With…; nobody changes them
	derived bool          // Close does nothing
}

// core is what a client and all those derived from it share.
type core struct {
	state atomic.Pointer[state]

	settings settingsBox
	reporter reporter

	off       string // why the client was opened disabled; "" = it was not
	closing   atomic.Bool
	dropped   [reasonCount]atomic.Uint64 // before any sink was handed the event
	replaced  atomic.Uint64
	truncated atomic.Uint64

	// turn holds one token: whoever changes the client has it. A channel, so
	// that waiting for it ends with a context.
	turn     chan struct{}
	ending   context.Context // ends when Close begins; who has the turn gives up
	end      context.CancelFunc
	stop     context.CancelFunc // of the watcher; guarded by turn, as is finished
	watchers sync.WaitGroup     // end when stop is called
	finished error              // what Close said

	retiredMu sync.Mutex          // guards what follows, and state while lanes come and go
	retired   map[string]counters // of sinks that a Reconfigure took away
	leaving   []*lane             // that are being taken away
}

// state is what Reconfigure replaces. Nobody changes one that is in use.
type state struct {
	cfg    Config // complete
	fields []attrs.Field
	lanes  []*lane
	off    string // why a Reconfigure switched recording off; "" = it did not
}

// Open returns a client that records as cfg says. It does no network I/O and
// fails only where cfg cannot be right. Where the user has opted out the client
// is disabled, which is no error: it has no goroutine, opens no file and makes
// no request.
func Open(cfg Config) (*Client, error) {
	cfg, err := complete(cfg)
	if err != nil {
		return nil, err
	}
	co := &core{turn: make(chan struct{}, 1), retired: map[string]counters{}, stop: func() {}}
	co.ending, co.end = context.WithCancel(context.Background())
	if why := cfg.optedOut(); why != "" {
		co.off = why
		co.state.Store(&state{cfg: cfg, off: why})
		return &Client{core: co}, nil
	}
	ctx, stop := context.WithCancel(co.ending)
	co.stop = stop
	co.reporter.start(co)
	first := &state{cfg: cfg, fields: co.baseFields(&cfg)}
	co.state.Store(first)
	source := co.loadSettings(&cfg)
	lanes, err := co.openLanes(&cfg, nil)
	if err != nil {
		stop()
		return nil, err
	}
	co.state.Store(&state{cfg: cfg, fields: first.fields, lanes: lanes})
	for _, l := range lanes {
		l.wake()
	}
	co.watch(ctx, source)
	return &Client{core: co}, nil
}

// baseFields are the attributes that the configuration gives every event.
func (co *core) baseFields(cfg *Config) []attrs.Field {
	list := make([]slog.Attr, 0, 5+len(cfg.Attrs))
	add := func(key, value string) {
		if value != "" {
			list = append(list, slog.String(key, value))
		}
	}
	add(keyServiceName, cfg.Service)
	add(keyServiceVersion, cfg.Version)
	add(keyServiceCommit, cfg.Commit)
	if cfg.Dev {
		list = append(list, slog.Bool(keyIsDev, true))
	}
	add(keyInstallID, cfg.InstallID)
	return co.fieldsOf(append(list, cfg.Attrs...))
}

func (co *core) fieldsOf(list []slog.Attr) []attrs.Field {
	fields, replaced := attrs.Fields(list)
	co.replaced.Add(uint64(replaced))
	return fields
}

// The keys of the attributes that clients have always used.
const (
	keyServiceName    = "service_name"
	keyServiceVersion = "service_version"
	keyServiceCommit  = "service_commit"
	keyIsDev          = "is_dev"
	keyInstallID      = "install_id"
	keyUserID         = "user_id"
	keyActorID        = "actor_id"
)

// With returns a client that adds attributes to every event. It shares the
// queue and the sinks; closing it does nothing. Nothing of attrs is kept.
func (c *Client) With(list ...slog.Attr) *Client {
	if c == nil || c.core == nil {
		return c
	}
	return &Client{core: c.core, fields: attrs.Merge(c.fields, c.core.fieldsOf(list)), derived: true}
}

// WithServiceName returns a client whose events say which service they are of.
func (c *Client) WithServiceName(name string) *Client {
	return c.With(slog.String(keyServiceName, name))
}

// WithServiceVersion returns a client whose events say which build recorded them.
func (c *Client) WithServiceVersion(number, commit string) *Client {
	return c.With(slog.String(keyServiceVersion, number), slog.String(keyServiceCommit, commit))
}

// WithIsDev returns a client whose events say that they come from development.
func (c *Client) WithIsDev() *Client { return c.With(slog.Bool(keyIsDev, true)) }

// WithInstallID returns a client whose events name the installation.
func (c *Client) WithInstallID(id string) *Client { return c.With(slog.String(keyInstallID, id)) }

// WithUserID returns a client whose events name the user, who is their Actor
// too where no attribute actor_id names another.
func (c *Client) WithUserID(id string) *Client { return c.With(slog.String(keyUserID, id)) }

// Disabled says why the client records nothing, such as "DO_NOT_TRACK=1"; ""
// means that it records.
func (c *Client) Disabled() (reason string) {
	if c == nil || c.core == nil {
		return "no client"
	}
	co := c.core
	if co.off != "" {
		return co.off
	}
	st := co.state.Load()
	if st.off != "" {
		return st.off
	}
	return st.cfg.optOutNow()
}

// Enabled reports whether an event of this name may be recorded. False means
// that Record would certainly drop it, so that costly attributes need not be
// computed.
func (c *Client) Enabled(_ context.Context, name string) bool {
	if c.Disabled() != "" || c.core.closing.Load() {
		return false
	}
	s := c.core.settings.current()
	if rule, listed := s.Sampling[name]; listed && rule.Rate == 0 {
		return false
	}
	for _, l := range c.core.state.Load().lanes {
		if !s.Kill.kills(l.name) {
			return true
		}
	}
	return false
}

// Flush sends what is queued and what is due in the spool, and waits until ctx
// ends. Nil means that nothing is left to be delivered; an [*UndeliveredError]
// says how much is. It does not wait out the pause after a failed attempt where
// a spool has the events.
func (c *Client) Flush(ctx context.Context) error {
	if c == nil || c.core == nil {
		return nil
	}
	left := flushAll(ctx, c.core.state.Load().lanes)
	return left.orNil()
}

// Close delivers what it can within CloseWithin, or until ctx ends if that is
// sooner, moves the rest to the spool and releases everything. Nil means that
// nothing was left; an [*UndeliveredError] says what was, and whether it is
// safe. Events recorded after Close has begun are dropped and counted. Further
// calls wait for the first and say the same; on a derived client Close does
// nothing.
func (c *Client) Close(ctx context.Context) error {
	if c == nil || c.core == nil || c.derived || c.core.off != "" {
		return nil
	}
	co := c.core
	co.end()
	co.turn <- struct{}{} // who has it gives it back soon
	defer co.yield()
	if co.closing.Swap(true) {
		return co.finished
	}
	co.stop()
	st := co.state.Load()
	within, cancel := context.WithTimeout(ctx, st.cfg.CloseWithin)
	defer cancel()
	left := closeAll(within, st.lanes, closed)
	co.waitForWatchers()
	co.reporter.stop(within)
	co.finished = left.orNil()
	return co.finished
}

// take waits for the turn to change the client.
func (co *core) take(ctx context.Context) error {
	select {
	case co.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (co *core) yield() { <-co.turn }

// waitForWatchers waits for the watchers, which have been stopped; not for a
// source of settings that does not heed its context.
func (co *core) waitForWatchers() {
	done := make(chan struct{})
	go func() {
		co.watchers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeGrace):
	}
}

// An UndeliveredError says what Flush or Close has left undelivered.
type UndeliveredError struct {
	Queued  int   // in memory; never after Close
	Spooled int   // on disk: safe, and sent by the next process that opens the spool
	Lost    int   // gone; counted as dropped
	Err     error // why the last attempt failed; may be nil
}

// Error says how many events were left, and why.
func (e *UndeliveredError) Error() string {
	text := "daybook: not delivered: " + itoa(e.Queued) + " queued, " + itoa(e.Spooled) + " spooled, " + itoa(e.Lost) + " lost"
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns why the last attempt failed.
func (e *UndeliveredError) Unwrap() error { return e.Err }

func (e *UndeliveredError) orNil() error {
	if e.Queued == 0 && e.Spooled == 0 && e.Lost == 0 {
		return nil
	}
	return e
}

func (e *UndeliveredError) add(o UndeliveredError) {
	e.Queued += o.Queued
	e.Spooled += o.Spooled
	e.Lost += o.Lost
	e.Err = errors.Join(e.Err, o.Err)
}

// together runs f for every lane at once and adds up what is left.
func together(lanes []*lane, f func(*lane) UndeliveredError) *UndeliveredError {
	results := make([]UndeliveredError, len(lanes))
	var wg sync.WaitGroup
	for i, l := range lanes {
		wg.Go(func() { results[i] = f(l) })
	}
	wg.Wait()
	var all UndeliveredError
	for _, r := range results {
		all.add(r)
	}
	return &all
}

func flushAll(ctx context.Context, lanes []*lane) *UndeliveredError {
	return together(lanes, func(l *lane) UndeliveredError { return l.flush(ctx) })
}

func closeAll(ctx context.Context, lanes []*lane, why reason) *UndeliveredError {
	for _, l := range lanes {
		l.refuse() // all at once: an event is either for every lane or for none
	}
	return together(lanes, func(l *lane) UndeliveredError { return l.finish(ctx, why) })
}

// now is the time events are dated by.
func (st *state) now() (now time.Time) {
	if st == nil || st.cfg.Now == nil {
		return time.Now()
	}
	defer func() {
		if recover() != nil {
			now = time.Now()
		}
	}()
	return st.cfg.Now()
}
