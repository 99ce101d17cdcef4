package deadletter

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// sample returns the letters of n refused events.
func sample(n int) *letters {
	s := newLetters(1<<30, 1<<30)
	for i := range n {
		s.take([]store.Entry{{Position: store.Position(2*i + 2), Record: store.Record{
			Kind: store.KindRefused, Event: daybook.Event{ID: fmt.Sprintf("0b6f0f6e-5d0b-4a44-9c62-%012d", i), Name: fmt.Sprint("event-", i%200)},
			Caller: fmt.Sprint("caller-", i%10),
			Refusal: &store.Refusal{
				Destination: "kafka", Position: store.Position(2*i + 1), Attempts: 1, Code: daybook.TooLarge,
				Reason: "message_too_large", Field: "metadata", Message: "the message is larger than the topic allows",
			},
		}}}, store.Position(2*i+2))
	}
	return s
}

func FuzzCheckpoint(f *testing.F) {
	f.Add(sample(0).encode("a.1"))
	f.Add(sample(3).encode("a.1"))
	f.Fuzz(func(t *testing.T, file []byte) {
		// The check keeps everything else out; a fuzzer cannot guess it.
		if len(file) >= 4 {
			file = binary.LittleEndian.AppendUint32(file[:len(file)-4:len(file)-4], wal.Checksum(file[:len(file)-4]))
		}
		s := newLetters(100, 100)
		if err := s.decode(file, "a.1"); err != nil {
			return
		}
		again := newLetters(100, 100)
		if err := again.decode(s.encode("a.1"), "a.1"); err != nil || len(again.open) != len(s.open) || again.through != s.through {
			t.Errorf("what was read and written cannot be read: %v", err)
		}
	})
}

// BenchmarkBytesPerLetter measures what the package's comment promises.
func BenchmarkBytesPerLetter(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := sample(n)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/letter")
		b.ReportMetric(float64(len(s.encode("a.1")))/n, "B/letter-on-disk")
	}
}
