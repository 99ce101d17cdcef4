package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

// BenchmarkAppend1, 64 and 256 append single events of 400 bytes from that many
// goroutines. Their commits per second are given relative to two loops that
// write the same bytes behind each other and sync them, in the same run: x-group
// to one that as many goroutines hand their bytes to, and which answers them
// after each sync; x-bare to one that has the groups ready and answers nobody.
// With one appender x-latency is the time of an append relative to the latter. On
// a machine that is busy otherwise the processor time of the three says more.
func BenchmarkAppend1(b *testing.B)   { benchmarkAppend(b, 1) }
func BenchmarkAppend64(b *testing.B)  { benchmarkAppend(b, 64) }
func BenchmarkAppend256(b *testing.B) { benchmarkAppend(b, 256) }

func benchmarkAppend(b *testing.B, appenders int) {
	dir, groups := b.TempDir(), 0
	j := open(b, journal.Options{
		Dir:     filepath.Join(dir, "journal"),
		Observe: journal.Observer{Group: func(int) { groups++ }},
	})
	ids := uniqueIDs(b)
	warm(b, j, ids)
	groups = 0
	size := wal.RecordSize(400)
	record := sized("", 400)

	const rounds = 4 // in turns: others use this machine too
	n := max(b.N/rounds, 50*appenders)
	var bare, group, own time.Duration
	var work [3]time.Duration
	for r := range rounds {
		name := filepath.Join(dir, strconv.Itoa(r))
		work[0] += cpu(func() { bare += elapsed(func() { writeBare(b, name+".bare", appenders*size, n/appenders) }) })
		work[1] += cpu(func() { group += elapsed(func() { writeGroups(b, name+".group", appenders, size, n) }) })
		work[2] += cpu(func() {
			own += elapsed(func() {
				spread(b, appenders, n, func() error {
					one := []store.Record{record}
					one[0].Event.ID = ids()
					_, err := j.Append(b.Context(), one)
					return err
				})
			})
		})
	}
	for i, name := range []string{"bare-µs/commit", "group-µs/commit", "own-µs/commit"} {
		b.ReportMetric(float64(work[i].Nanoseconds())/1e3/float64(n*rounds), name)
	}
	if appenders == 1 {
		b.ReportMetric(float64(own)/float64(bare), "x-latency")
	}
	b.ReportMetric(float64(n*rounds)/own.Seconds(), "commits/s")
	b.ReportMetric(float64(bare)/float64(own), "x-bare")
	b.ReportMetric(float64(group)/float64(own), "x-group")
	b.ReportMetric(float64(n*rounds)/float64(groups), "events/group")
}

// warm appends until the journal has moved into room made in advance, as it
// does within the first megabytes of any busy gateway.
func warm(b *testing.B, j *journal.Journal, ids func() string) {
	b.Helper()
	records := make([]store.Record, 1000)
	for chunks := j.Stats().Chunks; j.Stats().Chunks == chunks; {
		for i := range records {
			records[i] = sized(ids(), 400)
		}
		if _, err := j.Append(b.Context(), records); err != nil {
			b.Fatal(err)
		}
	}
}

func elapsed(f func()) time.Duration {
	started := time.Now()
	f()
	return time.Since(started)
}

// writeGroups is group commit and nothing else: n times a goroutine hands over
// size bytes, and is answered after the sync that covers them.
func writeGroups(b *testing.B, name string, appenders, size, n int) {
	b.Helper()
	file, err := wal.OS{}.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	type request struct {
		data []byte
		done chan error
	}
	requests := make(chan request, appenders)
	var writing sync.WaitGroup
	writing.Go(func() {
		var buffer []byte
		var waiting []request
		offset := int64(0)
		for first := range requests {
			waiting = append(waiting[:0], first)
			for len(requests) > 0 {
				waiting = append(waiting, <-requests)
			}
			buffer = buffer[:0]
			for _, r := range waiting {
				buffer = append(buffer, r.data...)
			}
			_, err := file.WriteAt(buffer, offset)
			if err == nil {
				err = file.Sync()
			}
			offset += int64(len(buffer))
			for _, r := range waiting {
				r.done <- err
			}
		}
	})
	done := sync.Pool{New: func() any { return make(chan error, 1) }}
	data := []byte(strings.Repeat("x", size))
	spread(b, appenders, n, func() error {
		answer := done.Get().(chan error)
		defer done.Put(answer)
		requests <- request{data: data, done: answer}
		return <-answer
	})
	close(requests)
	writing.Wait()
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
		spread(b, appenders, b.N, func() error {
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

// spread calls do n times from some goroutines.
func spread(b *testing.B, goroutines, n int, do func() error) {
	var left atomic.Int64
	left.Store(int64(n))
	var running sync.WaitGroup
	for range goroutines {
		running.Go(func() {
			for left.Add(-1) >= 0 {
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
	var n atomic.Int64
	prefix := fmt.Sprintf("%d-%d-", os.Getpid(), b.N)
	return func() string { return prefix + strconv.FormatInt(n.Add(1), 10) }
}
