package interop_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"daybook.dev/internal/need"
)

// foreign is a host that is not this machine's by its name. The browser is told
// where it is.
const foreign = "app.example.test"

// browser starts Chromium, which opens the page of a host on this machine.
func browser(t *testing.T, host string) context.Context {
	t.Helper()
	path := chromium(t)
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<title>page</title>")
	}))
	t.Cleanup(pages.Close)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("host-resolver-rules", "MAP "+foreign+" 127.0.0.1"))
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	_, port, err := net.SplitHostPort(pages.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(ctx, chromedp.Navigate("http://"+net.JoinHostPort(host, port)+"/")); err != nil {
		t.Fatal(err)
	}
	return ctx
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	need.Missing(t, "chromium", "no chromium, chromium-browser or google-chrome in PATH")
	return ""
}

// sends are the ways in which a page can send an event, each a function of the
// address and the body that promises whether it was sent.
var sends = map[string]string{
	"fetch-json":  `async (url, body) => { const r = await fetch(url, {method: "POST", headers: {"Content-Type": "application/json"}, body}); return r.ok && r.headers.get("Daybook-Durability") !== null }`,
	"fetch-text":  `async (url, body) => (await fetch(url, {method: "POST", headers: {"Content-Type": "text/plain"}, body})).ok`,
	"fetch-key":   `async (url, body) => (await fetch(url, {method: "POST", headers: {"Authorization": "Bearer key"}, body})).ok`,
	"beacon-text": `async (url, body) => navigator.sendBeacon(url, body)`,
	"beacon-blob": `async (url, body) => navigator.sendBeacon(url, new Blob([body], {type: "application/json"}))`,
}

// sendAll sends an event in every way and returns in which the page was told
// that it worked.
func sendAll(ctx context.Context, t *testing.T, g gateway) map[string]bool {
	t.Helper()
	told := map[string]bool{}
	for name, send := range sends {
		body := fmt.Sprintf(`{"events":[{"event_id":%q,"event_time":"2026-01-31T12:00:00Z","event_type":"behavioral","event_name":"page-viewed"}]}`, name)
		script := fmt.Sprintf(`(%s)("http://%s/v1/telemetry/events", %q).catch(() => false)`, send, g.ingest, body)
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		told[name] = ok
	}
	return told
}

func TestAPageSendsByFetchAndBeacon(t *testing.T) {
	for name, c := range map[string]struct {
		host          string
		configuration func(page string) string
	}{
		"of this machine, to a gateway as it starts":   {"localhost", func(string) string { return "" }},
		"of elsewhere, whose origin is allowed":        {foreign, func(page string) string { return "ingest: {cors: {origins: ['" + page + "']}}" }},
		"of this machine's address, at another's port": {"127.0.0.1", func(string) string { return "" }},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := browser(t, c.host)
			g := start(t, c.configuration(origin(ctx, t)))
			for way, ok := range sendAll(ctx, t, g) {
				if !ok {
					t.Errorf("%s: the page was not told that it worked", way)
				}
			}
			until(t, "not every event is stored", func() bool { return len(g.rows(t)) == len(sends) })
		})
	}
}

func TestAForeignPageSendsNothing(t *testing.T) {
	ctx := browser(t, foreign)
	g := start(t, "")
	for way, ok := range sendAll(ctx, t, g) {
		if ok && !strings.HasPrefix(way, "beacon") { // a beacon's page is never told
			t.Errorf("%s: the page was told that it worked", way)
		}
	}
	want := fmt.Sprintf(`daybook_requests_refused_total{protocol="browser",reason="origin_not_allowed"} %d`, len(sends))
	until(t, "the gateway has not refused every attempt", func() bool { return strings.Contains(g.metrics(t), want) })
	if rows := g.rows(t); len(rows) != 0 {
		t.Errorf("stored: %+v", rows)
	}
}

// origin is that of the page which is open.
func origin(ctx context.Context, t *testing.T) string {
	t.Helper()
	origin, err := chromedp.Run(ctx, chromedp.Evaluate[string]("location.origin"))
	if err != nil {
		t.Fatal(err)
	}
	return origin
}

func (g gateway) metrics(t *testing.T) string {
	t.Helper()
	response, err := http.Get("http://" + g.operations + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
