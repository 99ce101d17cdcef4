package logevent_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	eventsv1 "daybook.dev/gateway/internal/gen/events/v1"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/logevent"
)

// typical is a call of about 500 bytes, as a shop's server would make it.
func typical() string {
	return `{"eventName":"checkout-completed","eventType":"behavioral","actorId":"user-18273645","eventTs":"2026-11-21T09:35:43.123456Z",` +
		`"idempotencyKey":"0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c7d8e","metadata":{"plan":"enterprise","amount":129.95,"currency":"EUR",` +
		`"items":[{"sku":"A-1001","n":2},{"sku":"B-2002","n":1}],"page":"/checkout/confirm","referrer":"https://www.example.com/cart",` +
		`"experiment":"blue-button","variant":"b","first":true,"latency_ms":187,"ua":"Mozilla/5.0 (X11; Linux x86_64)"}}`
}

// BenchmarkDecodeJSON decodes and checks one call. Beside it stand what merely
// validating the same bytes costs, and what the generated messages would.
func BenchmarkDecodeJSON(b *testing.B) {
	body := []byte(typical())
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := logevent.DecodeJSON(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("jsontext-valid", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if !jsontext.Value(body).IsValid() {
				b.Fatal("not valid")
			}
		}
	})
	b.Run("protojson", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var m eventsv1.LogEventRequest
			if err := protojson.Unmarshal(body, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecodeProto(b *testing.B) {
	var m eventsv1.LogEventRequest
	if err := protojson.Unmarshal([]byte(typical()), &m); err != nil {
		b.Fatal(err)
	}
	body, err := proto.Marshal(&m)
	if err != nil {
		b.Fatal(err)
	}
	s := new(logevent.Service)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := logevent.DecodeProto(s, body); err != nil {
			b.Fatal(err)
		}
	}
}

// A void is a ResponseWriter that keeps nothing.
type void struct{ header http.Header }

func (v void) Header() http.Header       { return v.header }
func (void) Write(b []byte) (int, error) { return len(b), nil }
func (void) WriteHeader(int)             {}

type body struct{ bytes.Reader }

func (*body) Close() error { return nil }

// BenchmarkFast is a whole call without the network and the disk, and the same
// call through connect-go.
func BenchmarkFast(b *testing.B) {
	accepter := &accept.Accepter{Admit: &admit.Admitter{}, Store: intaketest.Nowhere{}}
	service := logevent.Service{
		Door: intake.Door{Accept: accepter.Accept, Durability: accepter.Store.Durability()}, Budget: intake.NewBudget(256 << 20),
	}
	handler := service.Handler()
	text := typical()
	for name, contentType := range map[string]string{"fast": "application/json", "connect-go": "application/json; charset=UTF-8"} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodPost, logevent.Path, strings.NewReader(text))
			sent := new(body)
			b.ReportAllocs()
			for b.Loop() {
				sent.Reset([]byte(text))
				r.Body = sent
				r.Header["Content-Type"] = []string{contentType} // connect-go tidies it up
				handler.ServeHTTP(void{http.Header{}}, r)
			}
		})
	}
	if w := (&gateway{Service: service, remote: "127.0.0.1:1"}).post(text); w.Code != http.StatusOK {
		b.Fatal(fmt.Sprint(w.Code, w.Body))
	}
}
