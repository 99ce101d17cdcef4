package plainhttp_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/plainhttp"
)

const batchSize = 100

// batch is 100 events of about 512 bytes, one on each line, as a shop's server
// would send them.
func batch() []byte {
	var b strings.Builder
	for i := range batchSize {
		fmt.Fprintf(&b, `{"event_id":"0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c%04d","event_name":"checkout-completed",`+
			`"event_type":"behavioral","actor_id":"user-18273645","event_ts":"2026-11-21T09:35:43.123456Z",`+
			`"metadata":{"plan":"enterprise","amount":129.95,"currency":"EUR","items":[{"sku":"A-1001","n":2},`+
			`{"sku":"B-2002","n":1}],"page":"/checkout/confirm","referrer":"https://www.example.com/cart",`+
			`"experiment":"blue-button","variant":"b","first":true,"latency_ms":187,"ua":"Mozilla/5.0 (X11; Linux x86_64)"}}`+"\n", i)
	}
	return []byte(b.String())
}

func perEvent(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batchSize, "ns/event")
}

func BenchmarkDecode100(b *testing.B) {
	body := batch()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		err := plainhttp.Decode(body, batchSize, func(events []admit.Submission) {
			if len(events) != batchSize || events[batchSize-1].Err != nil {
				b.Fatal("the batch is not decoded")
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	perEvent(b)
}

func BenchmarkRender100(b *testing.B) {
	outcomes := make([]daybook.Outcome, batchSize)
	for i := range outcomes {
		outcomes[i] = daybook.Outcome{ID: "0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c7d8e", Status: daybook.Stored, Durability: daybook.Fsynced}
	}
	var reply []byte
	b.ReportAllocs()
	for b.Loop() {
		reply = plainhttp.Render(reply[:0], daybook.Fsynced, outcomes, nil)
	}
	perEvent(b)
}

// BenchmarkAccept100 is what admission and the store's contract cost.
func BenchmarkAccept100(b *testing.B) {
	accepter := &accept.Accepter{Admit: &admit.Admitter{}, Store: intaketest.Nowhere{}}
	b.ReportAllocs()
	err := plainhttp.Decode(batch(), batchSize, func(events []admit.Submission) {
		for b.Loop() {
			accepter.Accept(context.Background(), accept.Batch{Protocol: plainhttp.Protocol, Events: events})
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	perEvent(b)
}

// A void is a ResponseWriter that keeps nothing.
type void struct{ header http.Header }

func (v void) Header() http.Header       { return v.header }
func (void) Write(b []byte) (int, error) { return len(b), nil }
func (void) WriteHeader(int)             {}

func BenchmarkHandler100(b *testing.B) {
	h := newHandler(intaketest.Nowhere{})
	body := batch()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	r := httptest.NewRequest(http.MethodPost, plainhttp.Path, nil)
	r.ContentLength = int64(len(body))
	for b.Loop() {
		r.Body = http.MaxBytesReader(nil, readCloser{bytes.NewReader(body)}, int64(len(body)))
		h.ServeHTTP(void{http.Header{}}, r)
	}
	perEvent(b)
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }
