package daybook_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"daybook.dev"
)

// record5 records an event with five attributes.
func record5(ctx context.Context, c *daybook.Client) {
	c.Record(ctx, daybook.Behavioral, "login-success",
		slog.String("plan", "pro"), slog.Int("seats", 3), slog.Bool("sso", true),
		slog.Float64("ms", 12.5), slog.Duration("took", 1500*time.Microsecond))
}

// What is compared with others, and in processor time, is in bench/.
func BenchmarkRecordFiveAttributesNoAlloc(b *testing.B) {
	cfg := quiet(to(daybook.Discard))
	cfg.Queue.Events = 1 << 20
	c, err := daybook.Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(b.Context())
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		record5(ctx, c)
	}
}

func TestRecordFiveAttributesNoAlloc(t *testing.T) {
	if raced {
		t.Skip("SKIPPED: under the race detector pools forget at random")
	}
	c := open(t, quiet(to(daybook.Discard)))
	ctx := daybook.NewScope(daybook.ContextWith(t.Context(), slog.Int("c", 1)))
	daybook.Annotate(ctx, slog.Int("s", 1))
	d := c.With(slog.String("service", "checkout"))
	record5(ctx, d) // fills the pools
	// A block for the queue, or a pool that was just emptied, may cost one now
	// and then; not one per event.
	if allocs := testing.AllocsPerRun(2000, func() { record5(ctx, d) }); allocs >= 1 {
		t.Errorf("%v allocations per event, want 0", allocs)
	}
	paid := daybook.Define(daybook.Behavioral, "order-paid")
	if allocs := testing.AllocsPerRun(2000, func() { paid.Record(ctx, d, daybook.Int("cents", 1299), daybook.Bool("first", true)) }); allocs >= 1 {
		t.Errorf("%v allocations per defined event, want 0", allocs)
	}
	if allocs := testing.AllocsPerRun(2000, func() { d.RecordMetric(ctx, "request_time_ms", 12.5, slog.String("grpc_code", "OK")) }); allocs >= 1 {
		t.Errorf("%v allocations per metric, want 0", allocs)
	}
}
