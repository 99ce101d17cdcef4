package serve_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"daybook.dev/gateway/internal/serve"
)

// described takes a description of a metric apart.
var described = regexp.MustCompile(`^Desc\{fqName: ("[^"]+"), help: ("(?:[^"\\]|\\.)*"), unit: "[^"]*", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// metricsOf returns the gateway's own metrics: their labels and what they say.
func metricsOf(t *testing.T, c prometheus.Collector) map[string][2]string {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		c.Describe(descs)
	}()
	all := map[string][2]string{}
	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("not understood: %s", d)
		}
		name, _ := strconv.Unquote(m[1])
		help, _ := strconv.Unquote(m[2])
		if !strings.HasPrefix(name, "daybook_") {
			continue // Go's and the process's
		}
		var labels []string
		for label := range strings.SplitSeq(m[3]+","+m[4], ",") {
			if label, _, _ = strings.Cut(label, "="); label != "" {
				labels = append(labels, label)
			}
		}
		all[name] = [2]string{strings.Join(labels, ", "), help}
	}
	return all
}

// TestThePageOfMetricsIsComplete generates it, and holds the alert rules and the
// dashboard to what there is.
func TestThePageOfMetricsIsComplete(t *testing.T) {
	a, f := newAuthority(t), newPEMFiles(t)
	f.write(a.issue(1, inAnHour(), ""))
	g := start(t, serve.Config{Ingest: serve.Ingest{TLS: f.TLS}})
	metrics := metricsOf(t, g.Metrics())
	names := make([]string, 0, len(metrics))
	for name := range metrics {
		names = append(names, name)
	}
	slices.Sort(names)
	var table strings.Builder
	table.WriteString("| metric | labels | |\n|---|---|---|\n")
	for _, name := range names {
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", name, metrics[name][0], metrics[name][1])
	}
	requirePage(t, "metrics", "PageOfMetrics", table.String())

	used := regexp.MustCompile(`daybook_[a-z_]+`)
	for _, file := range []string{"monitoring/alerts.yaml", "monitoring/grafana.json", "operating.md", "callers.md", "destinations.md", "dead-letters.md", "rules.md", "protocols.md", "tls.md"} {
		text, err := os.ReadFile("../../../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range used.FindAllString(string(text), -1) {
			name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
			if _, known := metrics[name]; !known && !slices.Contains(notMetrics, name) {
				t.Errorf("%s speaks of %s, which is not measured", file, name)
			}
		}
	}
}

// notMetrics are other words of the documents that begin like a metric.
var notMetrics = []string{"daybook_events"} // the table that PostgreSQL's rows go to

func TestEveryAlertIsExplained(t *testing.T) {
	rules, err := os.ReadFile("../../../docs/monitoring/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, explained, _ := strings.Cut(string(page), "## What each alert")
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(rules), -1)
	if len(alerts) == 0 {
		t.Fatal("no alerts are found")
	}
	for _, m := range alerts {
		if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(explained) {
			t.Errorf("docs/operating.md does not say what to do about %s", m[1])
		}
	}
}

// A counter that went down when a dead letter is delivered after all would look
// to Prometheus like a restart, and the rest of it like new dead letters.
func TestADeadLetterThatIsRetriedLeavesTheCounterWhereItWas(t *testing.T) {
	var mended atomic.Bool
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !mended.Load() {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer receiver.Close()
	const token = "a token of 32 characters or more."
	g := startFrom(t, &fileOf{text: "operations: {token: '" + token + "'}\ndestinations: {hook: {type: webhook, url: '" + receiver.URL + "', allow_private: true, batch: {age: 10ms}}}\n"}, nil)
	requireMetrics := func(lines ...string) {
		t.Helper()
		waitFor(t, strings.Join(lines, ", "), func() bool {
			_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "", "Authorization", "Bearer "+token)
			return !slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(metrics, line+"\n") })
		})
	}
	g.requireOutcomes(`{"event_id":"1","event_name":"a"}`, "stored")
	requireMetrics(`daybook_destination_events_total{destination="hook",result="dead"} 1`, `daybook_dead_letters{destination="hook"} 1`)
	mended.Store(true)
	if status, body := g.do("POST", g.OperationsURL()+"/v1/deadletters/retry", `{"all":true}`, "Authorization", "Bearer "+token); status != 200 || !strings.Contains(body, `"delivered":1`) {
		t.Fatalf("retry: %d %s", status, body)
	}
	requireMetrics(`daybook_destination_events_total{destination="hook",result="dead"} 1`, `daybook_dead_letters{destination="hook"} 0`,
		`daybook_destination_events_total{destination="hook",result="delivered"} 1`)
}
