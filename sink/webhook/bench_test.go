//go:build unix

package webhook_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/peer"
	"daybook.dev/sink/webhook"
)

// batch is 500 events of about 500 bytes in flat encoding.
func batch() []daybook.Event {
	events := make([]daybook.Event, 500)
	for i := range events {
		events[i] = daybook.Event{
			ID:   fmt.Sprintf("0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c%04d", i),
			Name: "checkout-completed", Type: daybook.Behavioral, Actor: "user-18273645",
			Time: time.Date(2026, time.November, 21, 9, 35, 43, 123456000, time.UTC),
			Metadata: []byte(`{"plan":"enterprise","amount":129.95,"currency":"EUR","items":[{"sku":"A-1001","n":2},{"sku":"B-2002","n":1}],` +
				`"page":"/checkout/confirm","referrer":"https://www.example.com/cart","experiment":"blue-button","variant":"b",` +
				`"first":true,"latency_ms":187,"ua":"Mozilla/5.0 (X11; Linux x86_64)"}`),
			Origin: &daybook.Origin{Scope: "checkout", Caller: "checkout"},
		}
	}
	return events
}

// servePeer is what the process of the benchmark's server does.
func servePeer() { peer.Serve(discard) }

// discard is a server that reads and forgets, in a process of its own.
func discard() (address string, err error) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	return server.URL, nil
}

// BenchmarkDelivery is a signed batch of 500 events to a server that reads and
// forgets it.
func BenchmarkDelivery(b *testing.B) {
	for _, c := range []struct {
		name   string
		change func(*webhook.Config)
	}{
		{"array", func(*webhook.Config) {}},
		{"lines", func(c *webhook.Config) { c.Form = webhook.Lines }},
		{"gzip", func(c *webhook.Config) { c.Gzip = true }},
		{"unsigned", func(c *webhook.Config) { c.Secrets = nil }},
		{"CloudEvents", func(c *webhook.Config) { c.Encoding = sink.CloudEvents{} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			config := webhook.Config{URL: peer.Start(b), Secrets: []string{newSecret}, AllowPrivate: true}
			c.change(&config)
			s, err := webhook.Open(config)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close(b.Context())
			events := batch()
			b.ReportAllocs()
			peer.Measure(b, len(events), func() {
				if err := s.Write(b.Context(), events); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}
