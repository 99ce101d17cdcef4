package journal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// BenchmarkAppendDedup1M appends batches of 100 new events of 400 bytes from 16
// goroutines to a journal that remembers a million keys, and in turns to one
// that remembers none. x-without is its speed relative to the latter, and x-cpu
// the processor time it takes, which others on the machine disturb less.
func BenchmarkAppendDedup1M(b *testing.B) { benchmarkDedup(b, 1e6) }

// BenchmarkAppendDedup10M is the same with ten million keys. It needs 320 MB of
// disk and some seconds to begin.
func BenchmarkAppendDedup10M(b *testing.B) { benchmarkDedup(b, 1e7) }

func benchmarkDedup(b *testing.B, keys int) {
	with, without := b.TempDir(), b.TempDir()
	remember(b, with, keys)
	started := time.Now()
	many := openForBench(b, with)
	opened := time.Since(started)
	none := openForBench(b, without)
	known, bytes := many.index.counts()
	if known != keys {
		b.Fatalf("%d keys are known, want %d", known, keys)
	}
	var next atomic.Uint64
	const rounds = 20
	var spent, busy [2]time.Duration
	var ratios []float64
	b.ResetTimer()
	for r := range rounds {
		var took [2]time.Duration
		for i := range took {
			i = (i + r) % 2 // who comes first changes
			before := processorTime()
			took[i] = appendBatches(b, []*Journal{many, none}[i], &next, max(b.N/rounds, 1))
			spent[i] += took[i]
			busy[i] += processorTime() - before
		}
		ratios = append(ratios, float64(took[1])/float64(took[0]))
	}
	slices.Sort(ratios) // the median: others use this machine too
	b.ReportMetric(ratios[rounds/2], "x-without")
	b.ReportMetric(float64(busy[0])/float64(busy[1]), "x-cpu")
	b.ReportMetric(float64(opened.Milliseconds()), "open-ms")
	b.ReportMetric(float64(bytes)/float64(keys), "B/key")
	b.ReportMetric(float64(max(b.N/rounds, 1)*rounds*100)/spent[0].Seconds(), "events/s")
}

func openForBench(b *testing.B, dir string) *Journal {
	j, err := Open(b.Context(), Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = j.Close(context.Background()) })
	return j
}

// remember makes a journal whose chunks are gone and whose key files are not:
// as many as there would be of chunks of 64 MiB full of small events.
func remember(b *testing.B, dir string, keys int) {
	const perFile = 150_000
	o := Options{Dir: dir}.withDefaults()
	if err := makeDirectories(o); err != nil {
		b.Fatal(err)
	}
	h := wal.Header{Epoch: 1, ID: 1 << 20, First: 1 << 40, Created: time.Now()}
	chunk, err := wal.Create(o.FS, chunkDirectory(dir), h)
	if err != nil {
		b.Fatal(err)
	}
	_ = chunk.Close()
	chance := rand.New(rand.NewPCG(1, 2))
	files := keyFiles{fs: o.FS, dir: chunkDirectory(dir), store: h.Store}
	for id := uint64(1); keys > 0; id++ {
		s := &keyset{}
		for range min(keys, perFile) {
			var e entry
			for i := range e.key {
				e.key[i] = byte(chance.Uint32())
			}
			s.claim(e, time.Now().UnixNano())
		}
		keys -= min(keys, perFile)
		if _, err := files.write(id, s); err != nil {
			b.Fatal(err)
		}
	}
}

// appendBatches appends n batches and returns how long it took.
func appendBatches(b *testing.B, j *Journal, next *atomic.Uint64, n int) time.Duration {
	const appenders = 16
	started := time.Now()
	var left atomic.Int64
	left.Store(int64(n))
	var running sync.WaitGroup
	for range appenders {
		running.Go(func() {
			records := make([]store.Record, 100)
			for left.Add(-1) >= 0 {
				for i := range records {
					records[i] = benchRecord(next.Add(1))
				}
				if _, err := j.Append(b.Context(), records); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	return time.Since(started)
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var benchMetadata = []byte(fmt.Sprintf(`{"text":"%0256d"}`, 0))

func benchRecord(n uint64) store.Record {
	return store.Record{
		Kind: store.KindEvent,
		Event: daybook.Event{
			ID: fmt.Sprintf("event-%d", n), Name: "login-success", Type: daybook.Behavioral, Actor: "ann",
			Time: time.Unix(1795251600, 5), Metadata: benchMetadata,
		},
		Caller: "checkout", Protocol: "http", Instance: "gateway-1", Received: time.Now(),
	}
}
