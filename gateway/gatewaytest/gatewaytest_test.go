package gatewaytest_test

import (
	"context"
	"log/slog"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/gatewaytest"
)

func TestAClientAndARealGateway(t *testing.T) {
	g := gatewaytest.Start(t, "settings: {sampling: {never: {sample_rate: 0}}}\n")
	book, err := daybook.Open(daybook.Config{Gateway: g.URL, IgnoreDoNotTrack: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	paid := book.Event(ctx, daybook.Behavioral, "order-paid", slog.Int("cents", 1299))
	for range 2 { // the second time it is a duplicate
		if outcomes, err := book.Send(ctx, paid); err != nil {
			t.Fatalf("%+v, %v", outcomes, err)
		}
	}
	book.Record(ctx, daybook.Behavioral, "login-success", slog.Bool("sso", true))
	if err := book.Close(context.WithoutCancel(ctx)); err != nil {
		t.Fatal(err)
	}
	events := g.Events(t)
	if len(events) != 2 || events[0].ID != paid.ID || events[1].Name != "login-success" {
		t.Errorf("stored: %+v", events)
	}
}
