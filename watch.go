package daybook

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// settingsBox holds the settings in force.
type settingsBox struct {
	now atomic.Pointer[Settings]
}

var noSettings Settings

func (b *settingsBox) current() *Settings {
	if s := b.now.Load(); s != nil {
		return s
	}
	return &noSettings
}

func (b *settingsBox) kills(sink string) bool { return b.current().Kill.kills(sink) }

// settingsFileName is where the last good settings are kept, below Spool.Dir.
const settingsFileName = "settings.json"

// loadSettings returns the source to watch, nil for none, and puts in force
// what is known without asking anybody: settings that never change, and those
// that were good when the last process ran.
func (co *core) loadSettings(cfg *Config) SettingsSource {
	source := cfg.Settings
	if source == nil && cfg.Gateway != "" {
		source = newGatewaySettings(cfg)
	}
	if s, ok := source.(static); ok {
		co.settings.now.Store(&s.settings)
		return nil
	}
	if source != nil && cfg.Spool.Dir != "" {
		if s, err := readSettings(filepath.Join(cfg.Spool.Dir, settingsFileName)); err == nil {
			co.settings.now.Store(&s)
		}
	}
	return source
}

// keepSettings writes the settings to disk for the next process. That they
// cannot be written costs nothing but that.
func keepSettings(cfg *Config, s *Settings) {
	if cfg.Spool.Dir == "" {
		return
	}
	text, err := json.Marshal(s)
	if err != nil || os.MkdirAll(cfg.Spool.Dir, 0o700) != nil {
		return
	}
	name := filepath.Join(cfg.Spool.Dir, settingsFileName)
	file, err := os.CreateTemp(cfg.Spool.Dir, settingsFileName+".*") // 0600
	if err != nil {
		return
	}
	_, err = file.Write(text)
	if errors.Join(err, file.Close(), os.Rename(file.Name(), name)) != nil {
		_ = os.Remove(file.Name())
	}
}

// watch asks source now and then, until ctx ends.
func (co *core) watch(ctx context.Context, source SettingsSource) {
	if source == nil {
		return
	}
	w := &watcher{co: co, ctx: ctx, source: source, every: time.Minute}
	if s, ok := source.(interface{ every() time.Duration }); ok {
		w.every = s.every()
	}
	if s, ok := source.(interface{ Changed() <-chan struct{} }); ok {
		co.watchers.Go(func() { w.follow(changes(s)) })
		return
	}
	co.watchers.Add(1) // until stop, or the last call of ask after it
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(0, w.ask)
	context.AfterFunc(ctx, w.stop)
}

// A watcher asks a source of settings. It is a timer, and a goroutine only
// while it asks; a source that says when it has changed takes one.
type watcher struct {
	co     *core
	ctx    context.Context
	source SettingsSource
	every  time.Duration

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	stopped bool
}

func (w *watcher) ask() {
	w.co.ask(w.ctx, w.source)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		w.co.watchers.Done()
		return
	}
	w.timer.Reset(w.every)
}

func (w *watcher) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer.Stop() {
		w.co.watchers.Done() // ask will not be called any more
	}
}

// changes asks a source for its channel. One that panics has none.
func changes(s interface{ Changed() <-chan struct{} }) (changed <-chan struct{}) {
	defer func() { _ = recover() }()
	return s.Changed()
}

func (w *watcher) follow(changed <-chan struct{}) {
	timer := time.NewTimer(w.every) // some services forget to say that they have changed
	defer timer.Stop()
	for {
		w.co.ask(w.ctx, w.source)
		timer.Reset(w.every)
		select {
		case <-w.ctx.Done():
			return
		case <-timer.C:
		case _, open := <-changed:
			if !open {
				changed = nil // it will say no more
			}
		}
	}
}

// ask gets settings once and puts them in force. Where that fails those before
// stay, and the next time is another try.
func (co *core) ask(ctx context.Context, source SettingsSource) {
	defer func() { _ = recover() }() // the source is the application's
	s, err := source.Settings(ctx)
	if err == nil {
		err = co.apply(ctx, s.clamp())
	}
	if err != nil && ctx.Err() == nil {
		co.reporter.trouble("settings", err)
	}
}

// apply puts settings in force. They are compared with what was applied last,
// not with what was seen last: what could not be applied is tried again.
func (co *core) apply(ctx context.Context, s Settings) error {
	if err := co.take(ctx); err != nil {
		return nil // this source is not watched any more
	}
	defer co.yield()
	if ctx.Err() != nil || co.closing.Load() || reflect.DeepEqual(*co.settings.current(), s) {
		return nil
	}
	st := co.state.Load()
	if err := co.moveGateway(ctx, &st.cfg, &s); err != nil {
		return err
	}
	co.settings.now.Store(&s)
	for _, l := range st.lanes {
		l.configure(&st.cfg, &s)
	}
	keepSettings(&st.cfg, &s)
	return nil
}

// A target is where and how a gateway is sent to.
type target struct{ address, path, key string }

// targetOf returns where settings say the gateway is. Only hosts that the
// configuration names are followed, and the key goes to the configured one only.
// An address that cannot be right counts as none.
func (cfg *Config) targetOf(s *Settings) target {
	to := target{address: cfg.Gateway, path: s.Gateway.Path, key: cfg.Key}
	if base := s.Gateway.BaseURL; base != "" {
		host := hostOf(base)
		isHost := func(h string) bool { return strings.EqualFold(host, h) }
		_, err := gatewayURL(base, "")
		if err == nil && (isHost(hostOf(cfg.Gateway)) || slices.ContainsFunc(cfg.Hosts, isHost)) {
			to.address = base
		}
	}
	if s.Gateway.SkipKey || hostOf(to.address) != hostOf(cfg.Gateway) || !strings.HasPrefix(to.address, schemeOf(cfg.Gateway)) {
		to.key = ""
	}
	return to
}

// schemeOf keeps a key that was meant for https from going over http.
func schemeOf(address string) string {
	scheme, _, _ := strings.Cut(address, "://")
	return scheme + "://"
}

func (t target) open() (Sink, error) {
	return Gateway(t.address, GatewayOptions{Key: t.key, Path: t.path})
}
