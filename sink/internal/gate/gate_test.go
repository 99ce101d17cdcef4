package gate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/sink/internal/gate"
)

func TestClosingWaitsForThoseInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New()
		within, leave, err := g.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, leave)

		if err := g.Close(t.Context()); err != nil || within.Err() == nil {
			t.Errorf("closed with %v, its context: %v", err, within.Err())
		}
		if _, _, err := g.Enter(t.Context()); !errors.Is(err, daybook.ErrClosed) {
			t.Errorf("entered a closed gate: %v", err)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Errorf("closed again: %v", err)
		}
	})
}

func TestWhoeverIsInsideTooLongIsAskedToLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New()
		within, leave, err := g.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		context.AfterFunc(within, leave)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("closed with %v", err)
		}
	})
}

func TestAWriteEndsWithItsCaller(t *testing.T) {
	g := gate.New()
	ctx, cancel := context.WithCancel(t.Context())
	within, leave, err := g.Enter(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	cancel()
	<-within.Done()
}
