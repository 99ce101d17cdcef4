package spanner_test

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/spanner/spannertest"
)

// BenchmarkWrite writes batches of 500 events of about 500 bytes to the fake,
// which is in this process: its half of gRPC is in the figure.
func BenchmarkWrite(b *testing.B) {
	const batch = 500
	s, _ := open(b, spannertest.StartFake(b))
	metadata := append(append([]byte(`{"plan":"pro","seats":3,"text":"`), bytes.Repeat([]byte("x"), 400)...), `"}`...)
	events := make([]daybook.Event, batch)
	n, start := 0, cpuTime(b)
	for b.Loop() {
		for i := range events {
			events[i] = sinktest.Event(fmt.Sprintf("event-%d-%d", n, i))
			events[i].Metadata = metadata
		}
		if err := s.Write(b.Context(), events); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64((cpuTime(b)-start).Microseconds())/float64(n*batch), "cpu-µs/event")
}

// cpuTime returns the processor time of this process.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
