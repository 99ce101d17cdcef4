package serve_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/caller/license/licensetest"
)

// The matrix: what becomes of the same event on every protocol. A protocol says
// it in its own words; what the gateway did, and why, has to be the same. Where a
// protocol's contract wants something else, its column says so with the reason.

// An advice is what a protocol's reply tells its client to do.
type advice string

const (
	accepted        advice = "accepted"        // do not send it again
	refused         advice = "refused"         // it will never be taken like this
	unauthenticated advice = "unauthenticated" // say who you are
	denied          advice = "denied"          // you may not
	tooLarge        advice = "too large"       // in smaller parts
	later           advice = "later"           // try again
)

// A saying is one event as an application would send it.
type saying struct {
	id, name, text string // text is an attribute
	more           string // further members of the event's attributes, as JSON: ,"a":1
	key            string // proves the caller; empty = nothing does
}

// A verdictCase is a row of the matrix: what is sent, and what has to become of
// the last of it.
type verdictCase struct {
	name    string
	say     []saying
	advice  advice
	outcome string // status and reason as the metrics have them
}

// A column is a protocol. Send sends one event and says what the answer means.
type column struct {
	protocol string
	send     func(g *running, s saying) advice

	// except has the cases in which the protocol's contract wants another verdict.
	except map[string]exception
}

// An exception is another verdict, and why.
type exception struct {
	advice  advice // empty = as the others'
	outcome string // empty = as the others'
	because string // empty = the protocol cannot say such a thing: the case is left out
}

const (
	shopKey     = "shop-key-of-the-matrix"
	pickyKey    = "picky-key-of-the-matrix"
	tinyKey     = "tiny-key-of-the-matrix"
	nowhereKey  = "nowhere-key-of-the-matrix"
	strangerKey = "nobodys-key"

	spoofed = "claimed-by-the-sender" // must not be stored where the gateway's own word is
)

func verdictCases() []verdictCase {
	long := strings.Repeat("x", 257)
	return []verdictCase{
		{"a good event", []saying{{id: "good", key: shopKey}}, accepted, "stored"},
		{"the same once more", []saying{{id: "twice", key: shopKey}, {id: "twice", key: shopKey}}, accepted, "duplicate"},
		{"the same id with other content", []saying{{id: "other", text: "a", key: shopKey}, {id: "other", text: "b", key: shopKey}}, refused, "refused id_conflict"},
		{"the same id from another caller", []saying{{id: "good", key: pickyKey, name: "allowed-thing"}}, accepted, "stored"},
		{"a name of 257 bytes", []saying{{id: "long", name: long, key: shopKey}}, refused, "refused text_too_long"},
		{"an id of 257 bytes", []saying{{id: long, key: shopKey}}, refused, "refused text_too_long"},
		{"an event of more than a megabyte", []saying{{id: "big", text: strings.Repeat("x", 1<<20), key: shopKey}}, refused, "refused event_too_large"},
		{"members that only the gateway writes", []saying{{id: "spoof", more: `,"_eventLog":{"caller":"` + spoofed + `"},"caller":"` + spoofed + `","ingested_at":"` + spoofed + `"`, key: shopKey}}, accepted, "stored"},
		{"no proof", []saying{{id: "nobody"}}, unauthenticated, "missing_credentials"},
		{"a wrong key", []saying{{id: "stranger", key: strangerKey}}, unauthenticated, "unknown_credentials"},
		{"a protocol the caller may not use", []saying{{id: "nowhere", key: nowhereKey}}, denied, "protocol_not_allowed"},
		{"a name the caller may not send", []saying{{id: "picky", key: pickyKey, name: "other-thing"}}, denied, "refused event_not_allowed"},
		{"more than the quota", []saying{{id: "tiny-1", key: tinyKey}, {id: "tiny-2", key: tinyKey}}, later, "quota_exceeded"},
	}
}

// TestOneVerdictOnEveryProtocol drives a gateway through every case on every
// protocol, compares, and keeps docs/verdicts.md in step.
func TestOneVerdictOnEveryProtocol(t *testing.T) {
	var table strings.Builder
	vendors := newVendors(t)
	columns := verdictColumns(vendors)
	var names []string
	for _, c := range columns {
		names = append(names, "`"+c.protocol+"`")
	}
	fmt.Fprintf(&table, "| case | what the caller is told | what was done | %s |\n|---|---|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(columns)))
	notes := map[string]bool{}
	for _, v := range verdictCases() {
		fmt.Fprintf(&table, "| %s | %s | `%s` |", v.name, v.advice, v.outcome)
		for _, c := range columns {
			e, other := c.except[v.name]
			cell := "same"
			t.Run(v.name+"/"+c.protocol, func(t *testing.T) { requireVerdict(t, c, v, vendors) })
			switch {
			case other && e.because == "":
				cell = "–"
			case other:
				cell = strings.TrimSpace(string(e.advice) + " `" + e.outcome + "`")
				cell = strings.TrimSuffix(cell, " ``")
				notes["- `"+c.protocol+"`, "+v.name+": "+e.because] = true
			}
			fmt.Fprintf(&table, " %s |", cell)
		}
		table.WriteString("\n")
	}
	table.WriteString("\n" + strings.Join(slices.Sorted(maps.Keys(notes)), "\n") + "\n")
	requirePage(t, "verdicts", "OneVerdict", table.String())
}

// requireVerdict runs one case on a gateway of its own.
func requireVerdict(t *testing.T, c column, v verdictCase, vendors vendors) {
	e, other := c.except[v.name]
	if other && e.because == "" {
		return
	}
	want, outcome := v.advice, v.outcome
	if e.advice != "" {
		want = e.advice
	}
	if e.outcome != "" {
		outcome = e.outcome
	}
	g := startFrom(t, &fileOf{text: verdictConfig(c.protocol, vendors)}, nil)
	var got advice
	var before map[string]float64
	for _, s := range v.say {
		if s.name == "" {
			s.name = "order-paid"
		}
		before = verdicts(g, c.protocol)
		got = c.send(g, s)
	}
	if got != want {
		t.Errorf("the caller is told %q, want %q", got, want)
	}
	after := verdicts(g, c.protocol)
	maps.DeleteFunc(after, func(what string, n float64) bool { return n == before[what] })
	if _, rows := g.do("GET", g.OperationsURL()+"/v1/tail?from=start&follow=false", ""); gatewaysOwn.MatchString(rows) {
		t.Errorf("a member that only the gateway writes is the sender's: %s", rows)
	}
	if done := slices.Sorted(maps.Keys(after)); !slices.Equal(done, []string{outcome}) {
		t.Errorf("what was done is %q, want %q", done, outcome)
	}
}

// vendors sign the licenses of the instances that send as a caller, by its key.
type vendors map[string]*licensetest.Vendor

func newVendors(t *testing.T) vendors {
	t.Helper()
	all := vendors{}
	for _, key := range []string{shopKey, pickyKey, tinyKey, nowhereKey, strangerKey} {
		all[key] = licensetest.New(t)
	}
	return all
}

// license is one of an instance of the caller that has the key.
func (v vendors) license(key string) string { return v[key].License(time.Unix(1_800_000_000, 0)) }

// verdictConfig is a gateway that knows callers of each kind.
func verdictConfig(protocol string, by vendors) string {
	elsewhere := "http"
	if protocol == elsewhere {
		elsewhere = "logevent"
	}
	hash := func(key string) string {
		sum := sha256.Sum256([]byte(key))
		return hex.EncodeToString(sum[:])
	}
	return fmt.Sprintf(`callers:
  - {name: shop, key_sha256: %q, instances: {license_keys: [%q]}}
  - {name: picky, key_sha256: %q, instances: {license_keys: [%q]}, events: ["allowed*"]}
  - {name: nowhere, key_sha256: %q, instances: {license_keys: [%q]}, protocols: [%s]}
  - {name: tiny, key_sha256: %q, instances: {license_keys: [%q]}, quota: {events: 1/h, burst: 1h}}
`, hash(shopKey), by[shopKey].PublicKey(), hash(pickyKey), by[pickyKey].PublicKey(),
		hash(nowhereKey), by[nowhereKey].PublicKey(), elsewhere, hash(tinyKey), by[tinyKey].PublicKey())
}

// gatewaysOwn matches what a sender said in the place of the gateway: in the row
// itself, or in the envelope. In metadata the other names are free.
var gatewaysOwn = regexp.MustCompile(`"ingested_at":.*` + spoofed + `.*"metadata":|"_eventLog":\{[^{}]*` + spoofed)

// counted matches a metric of outcomes, or of requests refused as a whole.
var counted = regexp.MustCompile(`(?m)^daybook_(?:events_total\{caller="[^"]*",protocol="([^"]*)",reason="([^"]*)",status="([^"]*)"\}|requests_refused_total\{protocol="([^"]*)",reason="([^"]*)"\}) (\S+)$`)

// verdicts are how many events and requests of a protocol ended how.
func verdicts(g *running, protocol string) map[string]float64 {
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	all := map[string]float64{}
	for _, m := range counted.FindAllStringSubmatch(metrics, -1) {
		if m[1] != protocol && m[4] != protocol {
			continue
		}
		n, _ := strconv.ParseFloat(m[6], 64)
		all[strings.TrimSpace(m[3]+" "+m[2]+m[5])] += n
	}
	return all
}

// TestEveryIntakeHasAColumn finds the protocols in the source: a new intake that
// nobody compares with the others fails here.
func TestEveryIntakeHasAColumn(t *testing.T) {
	have := map[string]bool{}
	for _, c := range verdictColumns(nil) {
		have[c.protocol] = true
		for name := range c.except {
			if !slices.ContainsFunc(verdictCases(), func(v verdictCase) bool { return v.name == name }) {
				t.Errorf("%s makes an exception of %q, which is no case", c.protocol, name)
			}
		}
	}
	for _, protocol := range intakeProtocols(t) {
		if !have[protocol] && protocol != "settings" { // from which events are not received
			t.Errorf("the intake of %q has no column: add one to verdictColumns", protocol)
		}
	}
}

// intakeProtocols are the values of the constants named Protocol in the folders
// below intake.
func intakeProtocols(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../intake/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no intakes: %v", err)
	}
	constant := regexp.MustCompile(`(?m)^(?:const )?\t?Protocol\s*= (\S+)`)
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := constant.FindSubmatch(text)
		switch {
		case m == nil:
		case string(m[1]) == "caller.TelemetryGateway":
			all = append(all, caller.TelemetryGateway)
		default:
			name, err := strconv.Unquote(string(m[1]))
			if err != nil {
				t.Fatalf("%s: the protocol is called %s, which this test cannot read", file, m[1])
			}
			all = append(all, name)
		}
	}
	if len(all) < 2 {
		t.Fatalf("found only %q: the pattern misses them", all)
	}
	return all
}
