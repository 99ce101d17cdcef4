package daybook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// StaticSettings returns a source whose settings never change. The settings are
// kept within limits, like all others.
func StaticSettings(s Settings) SettingsSource { return static{s.clamp()} }

type static struct{ settings Settings }

// Settings implements [SettingsSource].
func (s static) Settings(context.Context) (Settings, error) { return s.settings, nil }

// SettingsFile returns a source that reads the settings from a JSON file, and
// again when it has changed. docs/settings.md says what may stand in it.
func SettingsFile(path string) SettingsSource { return &settingsFile{path: path} }

// settingsFile is used by one goroutine at a time.
type settingsFile struct {
	path     string
	modified time.Time
	size     int64
	last     Settings
}

// filePoll is how often a file is looked at.
const filePoll = 2 * time.Second

func (f *settingsFile) every() time.Duration { return filePoll }

// Settings implements [SettingsSource].
func (f *settingsFile) Settings(context.Context) (Settings, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return Settings{}, &Error{Code: Unavailable, Where: "settings", Reason: "unreadable", Message: "the settings file cannot be read", Err: err}
	}
	if info.ModTime().Equal(f.modified) && info.Size() == f.size {
		return f.last, nil
	}
	s, err := readSettings(f.path)
	if err != nil {
		return Settings{}, err
	}
	f.modified, f.size, f.last = info.ModTime(), info.Size(), s
	return s, nil
}

// maxSettings is the largest settings that are read.
const maxSettings = 1 << 20

func readSettings(path string) (s Settings, err error) {
	file, err := os.Open(path)
	if err == nil {
		defer func() { _ = file.Close() }()
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(file, maxSettings)); err == nil {
			err = json.Unmarshal(text, &s)
		}
	}
	if err != nil {
		return Settings{}, &Error{Code: CodeOf(err), Where: "settings", Reason: "unreadable", Message: "the settings file cannot be read", Err: err}
	}
	return s, nil
}

// gatewaySettings asks a gateway. It is used by one goroutine at a time.
type gatewaySettings struct {
	url, key string
	client   *http.Client
	release  func()

	tag  string // of last
	last Settings
}

// gatewayPoll is how often a gateway is asked. With 304 for an answer that
// costs it next to nothing.
const gatewayPoll = 5 * time.Minute

func (g *gatewaySettings) every() time.Duration { return gatewayPoll }

func newGatewaySettings(cfg *Config) *gatewaySettings {
	target, _ := gatewayURL(cfg.Gateway, "/v1/settings") // complete has checked it
	g := &gatewaySettings{url: target, key: cfg.Key}
	g.client, g.release = clientOf(nil)
	return g
}

// Settings implements [SettingsSource]. A gateway that has no settings, being
// older than they are, sets nothing.
func (g *gatewaySettings) Settings(ctx context.Context) (Settings, error) {
	// An idle connection would keep two goroutines for the few bytes that are
	// asked for every few minutes.
	defer g.release()
	ctx, cancel := context.WithTimeout(ctx, defaultTimeout)
	defer cancel()
	bad := func(reason, message string, err error) (Settings, error) {
		return Settings{}, &Error{Code: Unavailable, Where: "settings", Reason: reason, Message: message, Err: err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url, http.NoBody)
	if err != nil {
		return bad("bad_request", "the gateway's address is wrong", nil)
	}
	request.Header.Set("Accept", "application/json")
	if g.tag != "" {
		request.Header.Set("If-None-Match", g.tag)
	}
	if g.key != "" {
		request.Header.Set("Authorization", "Bearer "+g.key)
	}
	response, err := g.client.Do(request)
	if err != nil {
		return bad("unreachable", "no answer from "+g.url, withoutURL(err))
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		return g.last, nil
	case http.StatusNotFound:
		return Settings{}, nil
	default:
		return bad("http_"+itoa(response.StatusCode), g.url+" answered "+response.Status, nil)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxSettings))
	if err != nil {
		return bad("no_answer", "no whole answer from "+g.url, withoutURL(err))
	}
	var s Settings
	if err := json.Unmarshal(text, &s); err != nil {
		return bad("bad_reply", g.url+" answered something else than settings", nil)
	}
	g.tag, g.last = response.Header.Get("ETag"), s
	return s, nil
}

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
	every := time.Minute
	if s, ok := source.(interface{ every() time.Duration }); ok {
		every = s.every()
	}
	var changed <-chan struct{}
	if s, ok := source.(interface{ Changed() <-chan struct{} }); ok {
		changed = s.Changed()
	}
	co.watchers.Go(func() {
		timer := time.NewTimer(every)
		defer timer.Stop()
		for {
			co.ask(ctx, source)
			timer.Reset(every)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			case <-changed:
			}
		}
	})
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
func (cfg *Config) targetOf(s *Settings) target {
	to := target{address: cfg.Gateway, path: s.Gateway.Path, key: cfg.Key}
	if base := s.Gateway.BaseURL; base != "" {
		host := hostOf(base)
		isHost := func(h string) bool { return strings.EqualFold(host, h) }
		if host != "" && (isHost(hostOf(cfg.Gateway)) || slices.ContainsFunc(cfg.Hosts, isHost)) {
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
