package postgres_test

import (
	"bytes"
	"fmt"
	"testing"

	"daybook.dev"
	"daybook.dev/sink/postgres"
	"daybook.dev/sink/postgres/postgrestest"
	"daybook.dev/sink/sinktest"
)

// BenchmarkWrite writes batches of 500 events of about 500 bytes into a real
// server on this machine. The processor time is the sink's alone, garbage
// collection included: with the small heap of a benchmark that is most of it, so
// run it with GOGC=800. What the server takes comes on top.
func BenchmarkWrite(b *testing.B) {
	const batch = 500
	server := postgrestest.Start(b)
	s := openOn(b, postgres.Config{DSN: server.Database()})
	if err := s.Create(b.Context()); err != nil {
		b.Fatal(err)
	}
	metadata := append(append([]byte(`{"plan":"pro","seats":3,"text":"`), bytes.Repeat([]byte("x"), 400)...), `"}`...)
	events := make([]daybook.Event, batch)
	cpu := cpuTime()
	n := 0
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
	events500 := float64(n * batch)
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/events500, "cpu-µs/event")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/events500, "µs/event")
}
