package deadletter_test

import (
	"context"
	"fmt"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
)

// BenchmarkRetry retries ten thousand dead letters whose events lie among ninety
// thousand others, from a real journal.
func BenchmarkRetry(b *testing.B) {
	const letters, others = 10_000, 9
	for name, with := range map[string]bool{"with their events": true, "whose events are read elsewhere": false} {
		b.Run(name, func(b *testing.B) {
			j, err := journal.Open(b.Context(), journal.Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = j.Close(context.Background()) }()
			var records []store.Record
			add := func(r store.Record) {
				if records = append(records, r); len(records) == 1000 {
					if _, err := j.Append(b.Context(), records); err != nil {
						b.Fatal(err)
					}
					records = records[:0]
				}
			}
			for i := range letters * others {
				add(event(fmt.Sprint(i)))
			}
			for i := range letters {
				r := refused(fmt.Sprint(i*others), "kafka", store.Position(i*others+1))
				if !with {
					r = withoutEvent(r)
				}
				add(r)
			}
			for b.Loop() {
				index := deadletter.Open(deadletter.Options{
					Data: b.TempDir(), Source: forgetful{j}, Write: func(context.Context, string, []daybook.Event) error { return nil },
				})
				if s, err := index.Retry(b.Context(), everything, nil); err != nil || s.Results[deadletter.Delivered] != letters {
					b.Fatal(s, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/letters, "µs/letter")
		})
	}
}

// forgetful is a journal that takes what is appended and keeps nothing of it, so
// that each round finds the same dead letters.
type forgetful struct{ *journal.Journal }

func (forgetful) Append(_ context.Context, records []store.Record) ([]store.Receipt, error) {
	receipts := make([]store.Receipt, len(records))
	for i := range receipts {
		receipts[i].Status = daybook.Stored
	}
	return receipts, nil
}
