package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/internal/wal"
)

// sized returns a record whose payload is about n bytes.
func sized(id string, n int) store.Record {
	const others = 134 // bytes of the other fields
	return store.Record{
		Kind: store.KindEvent,
		Event: daybook.Event{
			ID: id, Name: "login-success", Type: daybook.Behavioral, Actor: "ann",
			Time:     time.Unix(1795251600, 5),
			Metadata: []byte(`{"text":"` + strings.Repeat("x", n-others) + `"}`),
		},
		Digest: store.Digest{1}, Caller: "checkout", Protocol: "http", Instance: "gateway-1",
		Received: time.Unix(1795251600, 7),
	}
}

// BenchmarkAppend64 appends single events of 400 bytes from 64 goroutines. x-bare
// is its commits per second relative to a loop that only writes and syncs the
// same bytes in groups of 64, measured in the same run.
func BenchmarkAppend64(b *testing.B) {
	const appenders = 64
	dir := b.TempDir()
	groups := 0
	j := open(b, journal.Options{
		Dir:     filepath.Join(dir, "journal"),
		Observe: journal.Observer{Group: func(int) { groups++ }},
	})
	ids := uniqueIDs(b)

	record := sized("", 400)
	syncs := max(b.N/appenders, 200)
	started := time.Now()
	writeBare(b, filepath.Join(dir, "bare"), appenders*wal.RecordSize(400), syncs)
	bare := float64(syncs*appenders) / time.Since(started).Seconds()

	b.ResetTimer()
	started = time.Now()
	spread(b, appenders, func() error {
		own := []store.Record{record}
		own[0].Event.ID = ids()
		_, err := j.Append(b.Context(), own)
		return err
	})
	commits := float64(b.N) / time.Since(started).Seconds()
	b.ReportMetric(commits, "commits/s")
	b.ReportMetric(commits/bare, "x-bare")
	b.ReportMetric(float64(b.N)/float64(groups), "events/group")
}

// writeBare writes and syncs n bytes, times times.
func writeBare(b *testing.B, name string, n, times int) {
	b.Helper()
	file, err := wal.OS{}.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	data := []byte(strings.Repeat("x", n))
	for i := range times {
		if _, err := file.WriteAt(data, int64(i*n)); err != nil {
			b.Fatal(err)
		}
		if err := file.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendBatch100 appends batches of 100 events of 500 bytes from 16
// goroutines and prints processor time per event, user and system: of encoding,
// of a bare loop that writes and syncs the same bytes with as many syncs, and
// what the journal takes beyond the two.
func BenchmarkAppendBatch100(b *testing.B) {
	const batch, appenders = 100, 16
	dir, groups := b.TempDir(), 0
	j := open(b, journal.Options{
		Dir:     filepath.Join(dir, "journal"),
		Observe: journal.Observer{Group: func(int) { groups++ }},
	})
	ids := uniqueIDs(b)
	fill := func(records []store.Record) {
		for i := range records {
			records[i].Event.ID = ids()
		}
	}
	records := make([]store.Record, batch)
	for i := range records {
		records[i] = sized("", 500)
	}
	var payload []byte
	encoding := cpu(func() {
		for range b.N {
			fill(records)
			payload = payload[:0]
			for i := range records {
				payload = records[i].AppendPayload(payload, records[i].Key())
			}
		}
	})
	b.ResetTimer()
	total := cpu(func() {
		spread(b, appenders, func() error {
			own := append([]store.Record(nil), records...)
			fill(own)
			_, err := j.Append(b.Context(), own)
			return err
		})
	})
	b.StopTimer()
	bytes := b.N * batch * wal.RecordSize(len(payload)/batch)
	bare := cpu(func() { writeBare(b, filepath.Join(dir, "bare"), bytes/groups, groups) })
	perEvent := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(b.N*batch) }
	b.ReportMetric(perEvent(total-encoding-bare), "own-µs/event")
	b.ReportMetric(perEvent(bare), "bare-µs/event")
	b.ReportMetric(perEvent(encoding), "encoding-µs/event")
}

// spread calls do b.N times from n goroutines.
func spread(b *testing.B, n int, do func() error) {
	work := make(chan struct{}, b.N)
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	var running sync.WaitGroup
	for range n {
		running.Go(func() {
			for range work {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
}

// cpu returns the processor time, user and system, that f takes.
func cpu(f func()) time.Duration {
	used := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	f()
	return used() - before
}

// uniqueIDs returns a function that gives another id each time.
func uniqueIDs(b *testing.B) func() string {
	var mu sync.Mutex
	n := 0
	prefix := fmt.Sprintf("%d-%d-", os.Getpid(), b.N)
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return prefix + strconv.Itoa(n)
	}
}
