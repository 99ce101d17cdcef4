package daybook_test

import (
	"context"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"daybook.dev"
)

func benchClient(b *testing.B, cfg daybook.Config) *daybook.Client {
	b.Helper()
	b.Setenv("DO_NOT_TRACK", "")
	cfg.Settings = daybook.StaticSettings(daybook.Settings{})
	cfg.Logger = slog.New(slog.DiscardHandler)
	c, err := daybook.Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// BenchmarkRecordFiveAttributesNoAlloc includes encoding, batching and the
// hand-over to a sink.
func BenchmarkRecordFiveAttributesNoAlloc(b *testing.B) {
	c := benchClient(b, daybook.Config{Sinks: to(daybook.Discard), Queue: daybook.QueueOptions{Events: 1 << 20}})
	ctx := b.Context()
	b.ReportAllocs()
	defer cpuPerOp(b)()
	for b.Loop() {
		c.Record(ctx, daybook.Behavioral, "login-success",
			slog.String("plan", "pro"), slog.Int("seats", 3), slog.Bool("sso", true),
			slog.Float64("ms", 12.5), slog.Duration("took", 1500*time.Microsecond))
	}
}

// cpuPerOp reports the processor time of all threads per operation: on a busy
// machine the time that passes says little.
func cpuPerOp(b *testing.B) func() {
	used := func() time.Duration {
		var r syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}
