package direct_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/direct"
	"daybook.dev/gateway/internal/store/storetest"
)

// 64 callers append one event each, to a destination that takes a while for a
// Write however many events it has. The more go into one, the less each waits.
func BenchmarkAppend(b *testing.B) {
	var writes atomic.Int64
	for name, takes := range map[string]time.Duration{"at once": 0, "2 ms": 2 * time.Millisecond} {
		b.Run(name, func(b *testing.B) {
			writes.Store(0)
			s := direct.Open(direct.Options{Sink: &slow{takes: takes, writes: &writes}})
			b.SetParallelism(32) // of 2 cores
			b.ReportAllocs()
			var callers atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				caller := callers.Add(1)
				for n := 0; pb.Next(); n++ {
					r := storetest.Event("c", fmt.Sprint(caller, "-", n))
					if receipts, err := s.Append(b.Context(), []store.Record{r}); err != nil || receipts[0].Status != daybook.Stored {
						b.Error(receipts, err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/float64(writes.Load()), "events/write")
			_ = s.Close(context.Background())
		})
	}
}

// A slow destination takes its time, and everything.
type slow struct {
	takes  time.Duration
	writes *atomic.Int64
}

func (s *slow) Write(context.Context, []daybook.Event) error {
	s.writes.Add(1)
	time.Sleep(s.takes)
	return nil
}

func (s *slow) Close(context.Context) error { return nil }
