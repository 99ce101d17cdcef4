package daybook_test

import (
	"errors"
	"net/http"
	"testing"

	"daybook.dev"
)

func TestAnOutcomeHasTheIDThatWasSent(t *testing.T) {
	g := newFakeGateway(t,
		answers(http.StatusOK, `{"durability":"fsync","results":[{"index":0,"event_id":"ANN","status":"failed","code":"unavailable"}]}`), stored)
	always := func(daybook.Event) bool { return true }
	c := open(t, daybook.Config{Sinks: to(daybook.Filter(g.open(t, daybook.GatewayOptions{}), always)), Retry: daybook.RetryOptions{Min: 1, Max: 1}})
	if err := c.Enqueue(t.Context(), daybook.Event{ID: "ann", Name: "a"}); err != nil {
		t.Fatal(err)
	}
	_ = c.Flush(t.Context())
	if len(g.requests) != 2 {
		t.Errorf("%d requests: what failed counts as delivered", len(g.requests))
	}
}

func TestASpoolThatIsClosedSaysSo(t *testing.T) {
	s, err := daybook.Spool(daybook.Discard, daybook.SpoolOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), []daybook.Event{{Name: "a"}}); !errors.Is(err, daybook.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestASpoolIsNotGivenToAClientThatWasOpenedWithoutOne(t *testing.T) {
	c := open(t, quiet(to(daybook.Discard)))
	cfg := quiet(to(daybook.Discard))
	cfg.Spool.Dir = t.TempDir()
	if err := c.Reconfigure(t.Context(), cfg); daybook.CodeOf(err) != daybook.Invalid {
		t.Errorf("got %v, and the sink has no spool", err)
	}
}
