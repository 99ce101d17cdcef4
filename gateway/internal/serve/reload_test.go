package serve_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"daybook.dev/gateway/internal/serve"
)

// A fileOf is a configuration file that changes.
type fileOf struct {
	mu   sync.Mutex
	text string // guarded by mu
}

func (f *fileOf) set(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = text
}

func (f *fileOf) read(path string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if path != serve.DefaultFile {
		return nil, fs.ErrNotExist
	}
	return []byte(f.text), nil
}

// startFrom runs a gateway whose configuration is read from f.
func startFrom(t *testing.T, f *fileOf, log *slog.Logger) *running {
	t.Helper()
	in := &serve.Inputs{ReadFile: f.read}
	c, from, err := serve.Load(*in)
	if err != nil {
		t.Fatal(err)
	}
	c.Ingest.Listen, c.Operations.Listen, c.Data = "", "", "" // as onFreePorts has them
	return startWith(t, c, serve.Options{Log: log, From: from, Inputs: in})
}

func TestAReloadChangesEverythingOrNothing(t *testing.T) {
	f := &fileOf{text: `settings: {kill: [a]}`}
	var log bytes.Buffer
	g := startFrom(t, f, slog.New(slog.NewTextHandler(&log, nil)))
	requireReload := func(text string, ok bool, settings string) {
		t.Helper()
		f.set(text)
		if err := g.Reload(); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
		if _, got := g.do("GET", g.IngestURL()+"/v1/settings", ""); got != settings {
			t.Errorf("%s: the settings are %s, want %s", text, got, settings)
		}
		want := "daybook_config_reload_ok 0\n"
		if ok {
			want = "daybook_config_reload_ok 1\n"
		}
		if _, metrics := g.do("GET", g.OperationsURL()+"/metrics", ""); !strings.Contains(metrics, want) {
			t.Errorf("%s: the metrics lack %s", text, want)
		}
	}
	requireReload(`settings: {kill: [b]}`, true, `{"kill":["b"]}`)
	requireReload(`settings: {kil: [c]}`, false, `{"kill":["b"]}`)
	requireReload(`ingest: {listen: "0.0.0.0:1"}`, false, `{"kill":["b"]}`) // others could reach it, and nobody has to prove anything
	requireReload("settings: {kill: [d]}\njournal: {keep: 3d}", true, `{"kill":["d"]}`)
	if !strings.Contains(log.String(), `takes a restart" keys="data, ingest.listen`) && !strings.Contains(log.String(), "journal.keep") {
		t.Errorf("nothing says that journal.keep takes a restart:\n%s", &log)
	}
}

func TestAGatewayThatCannotReadItsConfigurationAgainSaysSo(t *testing.T) {
	g := start(t, serve.Config{})
	if err := g.Reload(); err == nil || !strings.Contains(err.Error(), "no configuration to read again") {
		t.Errorf("Reload = %v", err)
	}
}
