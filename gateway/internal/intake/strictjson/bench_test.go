package strictjson_test

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/intake/strictjson"
)

// sample is an event of about 512 bytes, as a shop would send it.
const sample = `{"event_id":"0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c7d8e","event_name":"checkout-completed",` +
	`"event_type":"behavioral","actor_id":"user-18273645","event_ts":"2026-11-21T09:35:43.123456Z",` +
	`"metadata":{"plan":"enterprise","amount":129.95,"currency":"EUR","items":[{"sku":"A-1001","n":2},` +
	`{"sku":"B-2002","n":1}],"page":"/checkout/confirm","referrer":"https://www.example.com/cart",` +
	`"experiment":"blue-button","variant":"b","first":true,"latency_ms":187,"ua":"Mozilla/5.0 (X11; Linux x86_64)"}}`

// BenchmarkScan reads one event member by member, values copied compactly.
func BenchmarkScan(b *testing.B) {
	text := []byte(sample)
	b.Run("strictjson", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		var s strictjson.Scanner
		var out []byte
		for b.Loop() {
			s.Reset(text)
			out = out[:0]
			s.EnterObject()
			for {
				if _, more := s.Member(); !more {
					break
				}
				out = s.AppendValue(out, 64)
			}
			s.End()
			if s.Broken().Is() {
				b.Fatal(s.Broken())
			}
		}
	})
	b.Run("jsontext", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		var d jsontext.Decoder
		var reader bytes.Buffer
		var out []byte
		for b.Loop() {
			reader = *bytes.NewBuffer(text)
			d.Reset(&reader)
			out = out[:0]
			if _, err := d.ReadToken(); err != nil {
				b.Fatal(err)
			}
			for d.PeekKind() != '}' {
				if _, err := d.ReadToken(); err != nil {
					b.Fatal(err)
				}
				value, err := d.ReadValue()
				if err != nil {
					b.Fatal(err)
				}
				mark := len(out)
				out = append(out, value...)
				compact := jsontext.Value(out[mark:])
				if err := compact.Compact(); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
