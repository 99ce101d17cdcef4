package serve_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook.dev/gateway/internal/serve"
)

// What the flood is made of: ten callers with a quota of one batch a second, who
// send a hundred.
const (
	floodCallers = 10
	floodBatch   = 100 // events
	floodTimes   = 100 // their quota
	calmCallers  = 4
	calmEvery    = 5 * time.Millisecond
	floodWindow  = time.Second

	// floodLead comes before each window. What the ten have saved is spent in it, so
	// that as much of theirs is let in in every window, whatever they send; they begin
	// one after the other, and not all in the same moment.
	floodLead = time.Second
)

// BenchmarkOthersBesideCallersOverTheirQuota measures what callers within their
// quota notice of ten that send a hundred times theirs, over real connections and
// a real disk. Each iteration is a window in which the ten keep to their quota, one
// in which they do not, and one in which they do again; what the windows have seen
// is pooled, so that both sides had the same machine. What the first and the last
// windows differ by is what the machine does by itself: a ratio is worth no more
// than noise is close to 1, and only where as much of the ten's was let in on both
// sides. Run it with -benchtime 10x or more.
func BenchmarkOthersBesideCallersOverTheirQuota(b *testing.B) {
	config := "callers:\n"
	for i := range floodCallers {
		config += fmt.Sprintf("  - {name: flood-%d, key_sha256: %s, quota: {events: %d/s, burst: 1s}}\n", i, sha(fmt.Sprint("flood", i)), floodBatch)
	}
	for i := range calmCallers {
		config += fmt.Sprintf("  - {name: calm-%d, key_sha256: %s}\n", i, sha(fmt.Sprint("calm", i)))
	}
	c, _, err := load(config, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	c.Ingest.Listen, c.Operations.Listen, c.Data = "127.0.0.1:0", "127.0.0.1:0", b.TempDir()
	address := openForBench(b, c)
	window(address, 1) // connections, pools, the journal's first chunk
	var first, with, last seen
	var ratios []float64 // of each iteration by itself: their median forgets a moment in which the machine was busy
	for b.Loop() {
		before, during, after := window(address, 1), window(address, floodTimes), window(address, 1)
		ratios = append(ratios, 2*float64(percentile(during.calm, 99))/float64(percentile(before.calm, 99)+percentile(after.calm, 99)))
		first.add(before)
		with.add(during)
		last.add(after)
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "median-ratio")
	b.ReportMetric(float64(percentile(first.calm, 99))/float64(percentile(last.calm, 99)), "noise")
	without := first
	without.add(last)
	before, beside := percentile(without.calm, 99), percentile(with.calm, 99)
	b.ReportMetric(float64(before.Microseconds()), "p99-within-µs")
	b.ReportMetric(float64(beside.Microseconds()), "p99-beside-µs")
	b.ReportMetric(float64(beside)/float64(before), "ratio")
	b.ReportMetric(float64(percentile(without.calm, 50).Microseconds()), "p50-within-µs")
	b.ReportMetric(float64(percentile(with.calm, 50).Microseconds()), "p50-beside-µs")
	b.ReportMetric(float64(with.flood)/float64(b.N*floodCallers), "batches-each")
	b.ReportMetric(float64(without.flood-without.shed)/float64(2*b.N*floodCallers), "let-in-within")
	b.ReportMetric(float64(with.flood-with.shed)/float64(b.N*floodCallers), "let-in-beside")
	if with.failed+without.failed > 0 {
		b.Errorf("%d requests of callers within their quota failed", with.failed+without.failed)
	}
}

// openForBench runs a gateway for as long as the benchmark.
func openForBench(b *testing.B, c serve.Config) (address string) {
	b.Helper()
	g, err := serve.Open(b.Context(), c, serve.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- g.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		g.StopNow()
		<-stopped
	})
	return strings.TrimPrefix(g.IngestURL(), "http://")
}

// seen is what windows have seen.
type seen struct {
	calm        []time.Duration // how long callers within their quota waited
	failed      int             // of their requests
	flood, shed int             // requests of the others, and how many were turned away
}

func (s *seen) add(other seen) {
	s.calm = append(s.calm, other.calm...)
	s.failed += other.failed
	s.flood += other.flood
	s.shed += other.shed
}

// window lets everybody send for a while, the ten so many times their quota.
func window(address string, times int) seen {
	var all seen
	var mu sync.Mutex // guards all
	var senders sync.WaitGroup
	start := time.Now().Add(floodLead)
	send := func(key, body string, first, every time.Duration, note func(s *seen, status int, took time.Duration)) {
		var own seen
		line := dial(address, key, body)
		defer line.close()
		<-time.After(first)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for end := start.Add(floodWindow); time.Now().Before(end); <-tick.C {
			begin := time.Now()
			status := line.post()
			if begin.After(start) {
				note(&own, status, time.Since(begin))
			}
		}
		mu.Lock()
		defer mu.Unlock()
		all.add(own)
	}
	batch := strings.Repeat(`{"event_name":"page-view","actor_id":"user-18273645","plan":"pro","path":"/pricing"}`+"\n", floodBatch)
	for i := range floodCallers {
		senders.Go(func() {
			send(fmt.Sprint("flood", i), batch, floodLead*time.Duration(i)/floodCallers, time.Second/time.Duration(times), func(s *seen, status int, _ time.Duration) {
				s.flood++
				if status == http.StatusTooManyRequests {
					s.shed++
				}
			})
		})
	}
	for i := range calmCallers {
		senders.Go(func() {
			send(fmt.Sprint("calm", i), `{"event_name":"order-placed","plan":"pro"}`, calmEvery*time.Duration(i)/calmCallers, calmEvery, func(s *seen, status int, took time.Duration) {
				s.calm = append(s.calm, took)
				if status != http.StatusOK {
					s.failed++
				}
			})
		})
	}
	senders.Wait()
	return all
}

// A line sends one request again and again, on one connection. It costs this
// process little, which is on the same processors as the gateway.
type line struct {
	conn    net.Conn
	answers *bufio.Reader
	request []byte
}

func dial(address, key, body string) *line {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return &line{}
	}
	return &line{conn: conn, answers: bufio.NewReader(conn), request: fmt.Appendf(nil,
		"POST /v1/events HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", address, key, len(body), body)}
}

// post sends the request and returns the status, zero for none.
func (l *line) post() int {
	if l.conn == nil {
		return 0
	}
	if _, err := l.conn.Write(l.request); err != nil {
		return 0
	}
	answer, err := http.ReadResponse(l.answers, nil)
	if err != nil {
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

func (l *line) close() {
	if l.conn != nil {
		_ = l.conn.Close()
	}
}

func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)-1)*p/100]
}
