package daybook

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
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
