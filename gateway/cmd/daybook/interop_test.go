package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"daybook.dev/internal/need"
)

// SDKs that nobody here wrote, unchanged, against the program as it is run. `make
// interop-js` installs them from npm and runs these tests.

// sdks is where the scripts are that use them.
const sdks = "../../../test/interop/js"

// needSDKs returns the path of node, where the SDKs are installed for it.
func needSDKs(t *testing.T) (node string) {
	t.Helper()
	node = need.Command(t, "node")
	if _, err := os.Stat(filepath.Join(sdks, "node_modules")); err != nil {
		need.Missing(t, "interop-js", "the SDKs are not installed; make interop-js does that")
	}
	return node
}

// runSDK runs a script of test/interop/js, which must succeed. What the SDK
// writes is the test's log.
func runSDK(t *testing.T, env []string, script string, args ...string) {
	t.Helper()
	node := needSDKs(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, node, append([]string{script}, args...)...)
	command.Dir, command.Env = sdks, append(os.Environ(), env...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", script, strings.Join(args, " "), err, out)
	}
}

// An interopRow is what `daybook tail -o json` says of an event.
type interopRow struct {
	ID       string          `json:"event_id"`
	Name     string          `json:"event_name"`
	Type     string          `json:"event_type"`
	Actor    string          `json:"actor_id"`
	Time     time.Time       `json:"event_ts"`
	Ingested time.Time       `json:"ingested_at"`
	Caller   string          `json:"caller"`
	Protocol string          `json:"protocol"`
	Metadata json.RawMessage `json:"metadata"`
}

// tailed returns everything that a gateway has stored, as its own command line
// says it.
func (p *process) tailed(t *testing.T) (rows []interopRow) {
	t.Helper()
	command := command("tail", "-o", "json", "--from", "start", "--no-follow", "--operations-listen", p.operations)
	var out, problem bytes.Buffer
	command.Stdout, command.Stderr = &out, &problem
	if err := command.Run(); err != nil {
		t.Fatalf("daybook tail: %v\n%s", err, &problem)
	}
	for line := range bytes.Lines(out.Bytes()) {
		var row interopRow
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		rows = append(rows, row)
	}
	return rows
}

// interopGateway runs a gateway with a configuration until the test ends.
func interopGateway(t *testing.T, configuration string) *process {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "daybook.yaml"), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := startGateway(dir, nil, "--ingest-listen", "127.0.0.1:0", "--operations-listen", "127.0.0.1:0", "--allow-ephemeral")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.stop(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func TestInteropOpenTelemetryForNode(t *testing.T) {
	const records = 250 // three batches
	for encoding := range map[string]bool{"json": true, "proto": true, "grpc": true} {
		t.Run(encoding, func(t *testing.T) {
			needSDKs(t)
			g := interopGateway(t, "")
			runSDK(t, nil, "otel.mjs", encoding, "http://"+g.ingest, strconv.Itoa(records))
			seen := map[string]int{}
			for _, row := range g.tailed(t) {
				i := checkNodeRecord(t, &row)
				seen[strconv.Itoa(i)]++
			}
			requireOnce(t, seen, records, strconv.Itoa)
		})
	}
}

// checkNodeRecord compares an event with the record that otel.mjs made, and
// returns which it was.
func checkNodeRecord(t *testing.T, row *interopRow) int {
	t.Helper()
	var body struct {
		Body struct{ N int }
	}
	if err := json.Unmarshal(row.Metadata, &body); err != nil {
		t.Fatalf("%v: %s", err, row.Metadata)
	}
	i := body.Body.N
	name, typ := "order-paid", ""
	if i%10 == 9 {
		name, typ = "log", "log"
	}
	happened := time.Unix(1769860800, int64(1000+i)).UTC()
	if row.Name != name || row.Type != typ || row.Actor != fmt.Sprintf("user-%d", i) || !row.Time.Equal(happened) || row.Protocol != "otlp" {
		t.Errorf("record %d is %+v", i, row)
	}
	// What the SDK says of itself in the resource is its own affair.
	for _, part := range []string{
		fmt.Sprintf(`"body":{"text":"paid \"ü\"\n","n":%d}`, i),
		`"severity_number":9,"severity_text":"INFO","observed_time":"2026-01-31T12:00:01Z"`,
		`"trace_id":"5b8efff798038103d269b633813fc60c","span_id":"eee19b7ec3c1b174","flags":1`,
		fmt.Sprintf(`"attributes":{"user.id":"user-%d","cents":1299,"ratio":0.25,"first":true,"none":null,"big":1099511627776,"tags":["a","b"],"nested":{"deep":{"bytes":{"$bytes":"AAEC/w=="}}}}`, i),
		`"scope":{"name":"checkout","version":"1.2"}`,
		`"service.name":"shop"`, `"host.cpus":4`,
	} {
		if !strings.Contains(string(row.Metadata), part) {
			t.Fatalf("record %d lacks\n%s in\n%s", i, part, row.Metadata)
		}
	}
	return i
}

// requireOnce fails unless each of n things was seen exactly once.
func requireOnce(t *testing.T, seen map[string]int, n int, name func(int) string) {
	t.Helper()
	for i := range n {
		if times := seen[name(i)]; times != 1 {
			t.Errorf("%s arrived %d times", name(i), times)
		}
	}
	if len(seen) != n {
		t.Errorf("%d different events arrived, want %d", len(seen), n)
	}
}

func TestInteropSegmentForNode(t *testing.T) {
	needSDKs(t)
	const rounds = 40
	g := interopGateway(t, "")
	runSDK(t, nil, "segment.mjs", "http://"+g.ingest, strconv.Itoa(rounds))
	seen := map[string]int{}
	for _, row := range g.tailed(t) {
		seen[row.ID]++
		checkSegmentRow(t, &row)
	}
	kinds := []string{"track", "identify", "page", "screen", "group", "alias"}
	requireOnce(t, seen, rounds*len(kinds), func(i int) string { return fmt.Sprintf("%s-%d", kinds[i%len(kinds)], i/len(kinds)) })
}

// forgetful stands in front of a gateway and loses its first answer: the client
// is told 503 although everything is stored.
func forgetful(t *testing.T, g *process) (url string) {
	t.Helper()
	var answers atomic.Int64
	behind := httputil.NewSingleHostReverseProxy(&neturl.URL{Scheme: "http", Host: g.ingest})
	behind.ModifyResponse = func(r *http.Response) error {
		if answers.Add(1) > 1 {
			return nil
		}
		if r.StatusCode != http.StatusOK {
			t.Errorf("the first answer is %s", r.Status)
		}
		_ = r.Body.Close()
		*r = http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"1"}}, Body: http.NoBody, Request: r.Request}
		return nil
	}
	s := httptest.NewServer(behind)
	t.Cleanup(func() {
		s.Close()
		if answers.Load() < 2 {
			t.Errorf("%d answers: the SDK has not sent again what it could not know to be stored", answers.Load())
		}
	})
	return s.URL
}

// TestInteropNothingIsStoredTwice: an SDK that does not learn of an OK sends the
// same once more, and each event is there once.
func TestInteropNothingIsStoredTwice(t *testing.T) {
	needSDKs(t)
	for name, script := range map[string][]string{
		"OpenTelemetry, JSON":             {"otel.mjs", "json"},
		"OpenTelemetry, Protocol Buffers": {"otel.mjs", "proto"},
		"Segment":                         {"segment.mjs"},
	} {
		t.Run(name, func(t *testing.T) {
			g := interopGateway(t, "")
			const n = 5
			runSDK(t, nil, script[0], append(script[1:], forgetful(t, g), strconv.Itoa(n))...)
			want := n
			if name == "Segment" {
				want *= 6
			}
			if rows := g.tailed(t); len(rows) != want {
				t.Errorf("%d events are stored, want %d", len(rows), want)
			}
		})
	}
}

// TestInteropCallersProveThemselves: as the SDKs do, with a key in a header, and
// Segment's with its write key.
func TestInteropCallersProveThemselves(t *testing.T) {
	needSDKs(t)
	const key = "shop-key-0123456789abcdefghijklmnopqrstuvw"
	sum := sha256.Sum256([]byte(key))
	for name, script := range map[string][]string{
		"OpenTelemetry": {"otel.mjs", "proto"}, "Segment": {"segment.mjs"},
	} {
		t.Run(name, func(t *testing.T) {
			g := interopGateway(t, "callers:\n  - {name: shop, key_sha256: "+hex.EncodeToString(sum[:])+"}\n")
			runSDK(t, []string{"DAYBOOK_KEY=" + key}, script[0], append(script[1:], "http://"+g.ingest, "1")...)
			rows := g.tailed(t)
			if len(rows) == 0 {
				t.Error("nothing is stored")
			}
			for _, row := range rows {
				if row.Caller != "shop" {
					t.Errorf("%s is stored as %s's", row.ID, row.Caller)
				}
			}
		})
	}
}

func checkSegmentRow(t *testing.T, row *interopRow) {
	t.Helper()
	kind, number, _ := strings.Cut(row.ID, "-")
	want := map[string]struct{ name, typ, actor, has string }{
		"track":    {"Order Completed", "behavioral", "user-", `"properties":{"cents":1299,"ratio":0.25,"items":[{"sku":"ü"}],"none":null}`},
		"identify": {"identify", "identity", "user-", `"traits":{"email":"ann@example.com"}`},
		"page":     {"page", "behavioral", "visitor-", `"name":"Home"`},
		"screen":   {"screen", "behavioral", "user-", `"name":"Cart"`},
		"group":    {"group", "identity", "user-", `"groupId":"acme"`},
		"alias":    {"alias", "identity", "user-", `"previousId":"visitor-` + number + `"`},
	}[kind]
	metadata := string(row.Metadata)
	if row.Name != want.name || row.Type != want.typ || row.Actor != want.actor+number || row.Protocol != "segment" || !strings.Contains(metadata, want.has) {
		t.Errorf("%s is %+v: %s", row.ID, row, metadata)
	}
	if !strings.Contains(metadata, `"type":"`+kind+`"`) || !strings.Contains(metadata, `"name":"@segment/analytics-node"`) {
		t.Errorf("%s lacks what the SDK says: %s", row.ID, metadata)
	}
	if strings.Contains(metadata, "writeKey") || strings.Contains(metadata, "sentAt") {
		t.Errorf("%s has what must not be stored: %s", row.ID, metadata)
	}
	happened := time.Date(2026, 1, 31, 12, 0, 0, 123_000_000, time.UTC)
	if kind == "track" && (row.Time.Before(happened.Add(-time.Minute)) || row.Time.After(happened.Add(time.Minute))) {
		t.Errorf("%s happened at %v, want %v but for the time on the way", row.ID, row.Time, happened)
	}
}
