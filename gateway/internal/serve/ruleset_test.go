package serve_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"daybook.dev/gateway/internal/serve"
)

// A lockedBuffer may be written to while it is read.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// outcomes sends events as NDJSON and returns status and reason of each.
func (r *running) outcomes(body string) []string {
	r.t.Helper()
	_, answer := r.do("POST", r.IngestURL()+"/v1/events", body)
	var reply struct {
		Results []struct{ Status, Reason string }
	}
	if err := json.Unmarshal([]byte(answer), &reply); err != nil {
		r.t.Fatalf("%s: %v", answer, err)
	}
	var all []string
	for _, o := range reply.Results {
		all = append(all, strings.TrimSpace(o.Status+" "+o.Reason))
	}
	return all
}

func (r *running) requireOutcomes(body string, want ...string) {
	r.t.Helper()
	if got := r.outcomes(body); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("%s: %q, want %q", body, got, want)
	}
}

// tail returns the rows of everything stored.
func (r *running) tail() string {
	r.t.Helper()
	_, rows := r.do("GET", r.OperationsURL()+"/v1/tail?from=start&follow=false", "")
	return rows
}

const someRules = `
redact:
  - {field: metadata.email, with: remove}
  - {field: metadata.user.phone, with: mask}
  - {field: actor_id, with: hash, key: canary-of-the-hash-key}
schemas:
  order: {type: object, required: [id], properties: {id: {type: string}}}
rules:
  - {name: vip, match: 'metadata.vip == true', keep: true}
  - {name: noise, match: 'event_type == "metric"', drop: true}
  - {name: orders, match: 'event_name == "order"', schema: order, on_mismatch: quarantine}
  - {name: strict, match: 'event_name == "strict-order"', schema: order}
  - {name: old, match: 'event_name == "v1"', refuse: "send v2"}
  - {name: some, match: 'event_name == "page"', sample: 0.5}
  - {name: odd, match: 'metadata.n > 5', drop: true}
kill: {events: [heartbeat]}
`

func TestRulesDecideAboutEvents(t *testing.T) {
	g := startFrom(t, &fileOf{text: someRules}, nil)
	g.requireOutcomes(`{"event_name":"a","event_type":"metric","metadata":{"vip":true}}`, "stored")
	g.requireOutcomes(`{"event_name":"a","event_type":"metric"}`, "dropped dropped_by_rule")
	g.requireOutcomes(`{"event_name":"order","metadata":{"id":"o"}}`, "stored")
	g.requireOutcomes(`{"event_name":"strict-order","metadata":{"id":7}}`, "refused schema_mismatch")
	g.requireOutcomes(`{"event_name":"v1"}`, "refused refused_by_rule")
	g.requireOutcomes(`{"event_name":"heartbeat"}`, "dropped killed")
	g.requireOutcomes(`{"event_name":"a","n":"7"}`, "stored") // undecidable is no match
	g.requireOutcomes(`{"event_name":"a","n":7}`, "dropped dropped_by_rule")
	g.requireOutcomes(`{"event_name":"order","event_id":"bad","metadata":{"email":"canary@example.com"}}`+"\n"+`{"event_name":"b"}`, "refused schema_mismatch", "stored")

	if _, letters := g.do("GET", g.OperationsURL()+"/v1/deadletters?own=true", ""); !strings.Contains(letters, `"event_id":"bad"`) || !strings.Contains(letters, `"reason":"schema_mismatch"`) {
		t.Errorf("the dead letters are %s", letters)
	}
	g.requireOutcomes(`{"event_name":"order","event_id":"bad","metadata":{"id":"corrected"}}`, "stored")
	if _, trace := g.do("GET", g.OperationsURL()+"/v1/events/bad", ""); !strings.Contains(trace, `"schema_mismatch"`) || !strings.Contains(trace, `"answer":"found"`) {
		t.Errorf("the trace is %s", trace)
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	for _, line := range []string{
		`daybook_events_total{caller="anonymous",protocol="http",reason="dropped_by_rule",status="dropped"} 2`,
		`daybook_events_total{caller="anonymous",protocol="http",reason="schema_mismatch",status="refused"} 2`,
		`daybook_dead_letters{destination=""} 1`,
		`daybook_rule_events_total{result="kept",rule="vip"} 1`,
		`daybook_rule_events_total{result="schema_mismatch",rule="orders"} 1`,
		`daybook_rule_events_total{result="refused_by_rule",rule="old"} 1`,
		`daybook_rule_failures_total{reason="wrong_type",rule="odd"} 1`,
		`daybook_events_set_aside_total{caller="anonymous",result="kept"} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if _, ledger := g.do("GET", g.OperationsURL()+"/v1/ledger", ""); !strings.Contains(ledger, `"received":11,"stored":5,"duplicate":0,"dropped":3,"refused":3,"failed":0`) {
		t.Errorf("the ledger is %s", ledger)
	}
}

func TestSampledEventsCarryTheProductOfTheRates(t *testing.T) {
	g := startFrom(t, &fileOf{text: someRules}, nil)
	var body strings.Builder
	for i := range 200 {
		fmt.Fprintf(&body, `{"event_id":"%d","event_name":"page","sample_rate":0.2}`+"\n", i)
	}
	first := g.outcomes(body.String())
	stored := 0
	for i, again := range g.outcomes(body.String()) {
		switch {
		case first[i] == "stored" && again == "duplicate":
			stored++
		case first[i] != "dropped sampled_out" || again != first[i]:
			t.Fatalf("event %d: %s, and sent again %s", i, first[i], again)
		}
	}
	if stored < 70 || stored > 130 {
		t.Errorf("%d of 200 are stored", stored)
	}
	if rows := g.tail(); strings.Count(rows, `"sample_rate":0.1}`) != stored {
		t.Errorf("%d are stored:\n%s", stored, rows)
	}
}

// TestR30NothingRedactedIsAnywhere sends canaries in every way that ends in a
// record or a line, and looks for them in everything that the gateway writes.
func TestR30NothingRedactedIsAnywhere(t *testing.T) {
	var log lockedBuffer
	dir := t.TempDir()
	c, from, err := serve.Load(serve.Inputs{ReadFile: (&fileOf{text: someRules + "log: {level: debug, events: all}\n"}).read})
	if err != nil {
		t.Fatal(err)
	}
	c.Ingest.Listen, c.Operations.Listen, c.Data = "", "", dir
	lines := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g := startWith(t, c, serve.Options{Log: lines, Events: lines, From: from})
	secrets := `"actor_id":"canary-actor","metadata":{"em\u0061il":"canary@example.com","user":{"phone":"canary-phone"},"users":1,"user.phone":"canary-dotted"`
	g.requireOutcomes(`{"event_name":"a","event_id":"1",`+secrets+`}}`, "stored")
	g.requireOutcomes(`{"event_name":"a","event_id":"1",`+secrets+`}}`, "duplicate")
	g.requireOutcomes(`{"event_name":"order","event_id":"2",`+secrets+`}}`, "refused schema_mismatch") // kept
	g.requireOutcomes(`{"event_name":"strict-order",`+secrets+`,"id":7}}`, "refused schema_mismatch")
	g.requireOutcomes(`{"event_name":"a","event_type":"metric",`+secrets+`}}`, "dropped dropped_by_rule")

	said := log.String() + g.tail()
	for _, path := range []string{"/v1/deadletters?own=true", "/v1/events/1", "/v1/events/2", "/v1/ledger", "/metrics"} {
		_, answer := g.do("GET", g.OperationsURL()+path, "")
		said += answer
	}
	if !strings.Contains(said, `"***"`) || !strings.Contains(said, "schema_mismatch") {
		t.Errorf("nothing was said that could have a canary:\n%s", said)
	}
	if strings.Contains(said, "canary") {
		t.Errorf("a canary is in:\n%s", said)
	}
	requireNoCanaryInFiles(t, dir)
}

// requireNoCanaryInFiles looks through the files of a data directory.
func requireNoCanaryInFiles(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), "canary") {
			t.Errorf("a canary is in %s", path)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
}

func TestRulesChangeWhileTheGatewayRuns(t *testing.T) {
	f := &fileOf{text: `rules: [{match: 'event_name == "a"', drop: true}]`}
	g := startFrom(t, f, nil)
	g.requireOutcomes(`{"event_name":"a"}`, "dropped dropped_by_rule")
	f.set(`kill: {callers: [anonymous]}`)
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	g.requireOutcomes(`{"event_name":"b"}`, "dropped killed")
	f.set(`rules: [{match: 'event_nam == "a"', drop: true}]`)
	if err := g.Reload(); err == nil {
		t.Error("a rule that cannot be meant is taken")
	}
	g.requireOutcomes(`{"event_name":"b"}`, "dropped killed")
	f.set("")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	g.requireOutcomes(`{"event_name":"a"}`, "stored")
}
