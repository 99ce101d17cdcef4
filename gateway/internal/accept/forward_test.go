package accept_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/store"
)

func TestWhatADestinationSaysIsToldAndSettled(t *testing.T) {
	refused := errors.New("500")
	partial := &daybook.PartialError{Failed: []daybook.Outcome{{ID: "e2", Status: daybook.Refused, Err: refused}}}
	silent := &daybook.PartialError{Failed: []daybook.Outcome{{ID: "e2", Status: daybook.Failed}}}
	for name, c := range map[string]struct {
		says   error
		failed []string
	}{
		"it takes them":                    {nil, nil},
		"it refuses them":                  {refused, []string{"e1", "e2", "e3"}},
		"it refuses one":                   {partial, []string{"e2"}},
		"it refuses one without an error":  {silent, []string{"e2"}},
		"it refuses one, wrapped":          {errors.Join(errors.New("statsig"), partial), []string{"e2"}},
		"it refuses one it was not asked":  {&daybook.PartialError{Failed: []daybook.Outcome{{ID: "other", Err: refused}}}, nil},
		"it is closed":                     {daybook.ErrClosed, []string{"e1", "e2", "e3"}},
		"it says the time was not enough":  {context.DeadlineExceeded, []string{"e1", "e2", "e3"}},
		"it says that the caller has gone": {context.Canceled, []string{"e1", "e2", "e3"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			var written []string
			a := newAccepter(m, accept.Destination{Name: "statsig", Sink: sink(func(_ context.Context, events []daybook.Event) error {
				for _, e := range events {
					written = append(written, e.ID)
				}
				return c.says
			})})
			told := map[string]bool{}
			a.Forwarded = func(r *store.Record, destination string, err error) {
				if told[r.Event.ID] = err != nil; destination != "statsig" || r.Event.Name != "a" {
					t.Errorf("told of %s: %+v", destination, r)
				}
			}
			outcomes := a.Accept(t.Context(), waiting("e1", "e2", "e3"))
			if !slices.Equal(written, []string{"e1", "e2", "e3"}) {
				t.Errorf("the destination was given %q", written)
			}
			for i, o := range outcomes {
				checkForwarded(t, i, o, slices.Contains(c.failed, o.ID))
				if failed, ok := told[o.ID]; !ok || failed != slices.Contains(c.failed, o.ID) {
					t.Errorf("what came of %s is told: %v, that it failed: %v", o.ID, ok, failed)
				}
			}
			settled := m.settled()
			if len(m.appends) != 2 || len(settled) != 3 {
				t.Fatalf("%d appends, %d settlements; want the events, then 3 settlements at once", len(m.appends), len(settled))
			}
			for i, s := range settled {
				want := store.Settlement{Position: store.Position(i + 1), Destination: "statsig", Status: daybook.Stored}
				if slices.Contains(c.failed, outcomes[i].ID) {
					want.Status, want.Reason = daybook.Failed, "forward_failed"
				}
				if s != want {
					t.Errorf("settled %+v, want %+v", s, want)
				}
			}
			for i, r := range m.appends[1] {
				name := "" // only a dead letter is looked for by it
				if r.Settlement.Status == daybook.Failed {
					name = "a"
				}
				if r.Kind != store.KindSettled || r.Event.ID != outcomes[i].ID || r.Event.Name != name || r.Caller != "checkout" || r.Instance != "here" || r.Received.IsZero() {
					t.Errorf("the settled record is %+v", r)
				}
			}
		})
	}
}

// TestTwoEventsOfOneIDAreToldApart: an id is unique within its publisher, and one
// request may carry the events of several.
func TestTwoEventsOfOneIDAreToldApart(t *testing.T) {
	m := &memory{}
	d := accept.Destination{Name: "d", Sink: sink(func(_ context.Context, events []daybook.Event) error {
		for _, e := range events {
			if e.Origin.Scope == "checkout/orders" {
				return &daybook.PartialError{Failed: []daybook.Outcome{{ID: e.ID, Status: daybook.Refused, Err: errors.New("no")}}}
			}
		}
		return nil
	})}
	batch := waiting("e1", "e1", "e2")
	batch.Events[0].Publisher, batch.Events[1].Publisher = "orders", "returns"
	for i, o := range newAccepter(m, d).Accept(t.Context(), batch) {
		checkForwarded(t, i, o, i == 0)
	}
	if settled := m.settled(); len(settled) != 3 || settled[0].Status != daybook.Failed || settled[1].Status != daybook.Stored || settled[2].Status != daybook.Stored {
		t.Errorf("settled %+v", settled)
	}
}

func checkForwarded(t *testing.T, index int, o daybook.Outcome, failed bool) {
	t.Helper()
	if o.Status != daybook.Stored || o.Durability != daybook.Fsynced {
		t.Errorf("event %d is no longer stored: %+v", index, o)
	}
	e, ok := errors.AsType[*daybook.Error](o.Err)
	if ok != failed || failed && (e.Code != daybook.Unavailable || e.Reason != "forward_failed" || e.Index != index || o.Reason != e.Reason) {
		t.Errorf("event %d, forwarding failed: %v: %+v", index, failed, o)
	}
}

func TestOnlyFreshEventsOfCallersWhoWaitAreForwarded(t *testing.T) {
	receipts := func(int, []store.Record) ([]store.Receipt, error) {
		return []store.Receipt{
			{Status: daybook.Duplicate, ID: "e1", Position: 1},
			{Status: daybook.Refused, ID: "e2", Err: &daybook.Error{Code: daybook.Conflict}},
			{Status: daybook.Failed, ID: "e3", Err: &daybook.Error{Code: daybook.Internal}},
		}, nil
	}
	t.Run("duplicates, conflicts and failures are not", func(t *testing.T) {
		m := &memory{answer: receipts}
		newAccepter(m, accept.Destination{Name: "d", Sink: untouched(t)}).Accept(t.Context(), waiting("e1", "e2", "e3"))
		if len(m.appends) != 1 {
			t.Errorf("%d appends, want 1", len(m.appends))
		}
	})
	t.Run("nor what nobody waits for", func(t *testing.T) {
		m := &memory{}
		batch := waiting("e1")
		batch.Wait = false
		newAccepter(m, accept.Destination{Name: "d", Sink: untouched(t)}).Accept(t.Context(), batch)
		if len(m.appends) != 1 {
			t.Errorf("%d appends, want 1", len(m.appends))
		}
	})
	t.Run("nor what the destination does not want", func(t *testing.T) {
		m := &memory{}
		var written []string
		d := accept.Destination{Name: "d", Wants: func(r *store.Record) bool { return !r.StoreOnly }, Sink: sink(func(_ context.Context, events []daybook.Event) error {
			for _, e := range events {
				written = append(written, e.ID)
			}
			return nil
		})}
		batch := waiting("e1", "e2")
		batch.Events[0].StoreOnly = true
		newAccepter(m, d).Accept(t.Context(), batch)
		if settled := m.settled(); !slices.Equal(written, []string{"e2"}) || len(settled) != 1 || settled[0].Position != 2 {
			t.Errorf("forwarded %q, settled %+v; want e2 alone", written, settled)
		}
		batch.Events[1].StoreOnly = true
		before := len(m.appends)
		newAccepter(m, d).Accept(t.Context(), batch)
		if len(written) != 1 || len(m.appends) != before+1 {
			t.Errorf("forwarded %q in %d appends, although both are only to be stored", written, len(m.appends)-before)
		}
	})
}

func TestADestinationHasItsTimeAndNoMore(t *testing.T) {
	for name, c := range map[string]struct {
		within   time.Duration // the destination's
		deadline time.Duration // the caller's; 0 = none
		want     time.Duration
	}{
		"the default":                     {0, 0, 2 * time.Second},
		"its own":                         {5 * time.Second, 0, 5 * time.Second},
		"a caller who waits longer":       {time.Second, time.Minute, time.Second},
		"a caller who waits less long":    {5 * time.Second, time.Second, 950 * time.Millisecond},
		"a caller whose time is all gone": {5 * time.Second, 20 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &memory{}
				a := newAccepter(m, accept.Destination{Name: "d", Sink: hangs, Within: c.within})
				ctx := t.Context()
				if c.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				var outcomes []daybook.Outcome
				took := elapsed(func() { outcomes = a.Accept(ctx, waiting("e1")) })
				if took != c.want {
					t.Errorf("the caller waited %v, want %v", took, c.want)
				}
				if ctx.Err() != nil {
					t.Error("the answer is too late for its caller")
				}
				checkForwarded(t, 0, outcomes[0], true)
				if s := m.settled(); len(s) != 1 || s[0].Status != daybook.Failed {
					t.Errorf("settled %+v", s)
				}
			})
		})
	}
}

func TestACallerWhoGoesAwayDoesNotEndTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		ctx, cancel := context.WithCancel(t.Context())
		a := newAccepter(m, accept.Destination{Name: "d", Sink: sink(func(ctx context.Context, _ []daybook.Event) error {
			cancel()
			time.Sleep(time.Second)
			return ctx.Err()
		})})
		checkForwarded(t, 0, a.Accept(ctx, waiting("e1"))[0], false)
		if s := m.settled(); len(s) != 1 || s[0].Status != daybook.Stored {
			t.Errorf("settled %+v", s)
		}
	})
}

func TestDestinationsAreTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		takesASecond := sink(func(context.Context, []daybook.Event) error { time.Sleep(time.Second); return nil })
		a := newAccepter(m,
			accept.Destination{Name: "slow", Sink: takesASecond},
			accept.Destination{Name: "hung", Sink: hangs, Within: 1500 * time.Millisecond},
			accept.Destination{Name: "quick", Sink: takes},
			accept.Destination{Name: "other", Sink: hangs, Within: time.Second},
		)
		var outcomes []daybook.Outcome
		if took := elapsed(func() { outcomes = a.Accept(t.Context(), waiting("e1")) }); took != 1500*time.Millisecond {
			t.Errorf("the caller waited %v, want for the slowest alone", took)
		}
		checkForwarded(t, 0, outcomes[0], true)
		if e, _ := errors.AsType[*daybook.Error](outcomes[0].Err); e.Message != "the event is stored, but it was not forwarded to hung" {
			t.Errorf("the first destination that failed is not the one named: %s", e.Message)
		}
		got := map[string]daybook.Status{}
		for _, s := range m.settled() {
			got[s.Destination] = s.Status
		}
		for name, want := range map[string]daybook.Status{"slow": daybook.Stored, "hung": daybook.Failed, "quick": daybook.Stored, "other": daybook.Failed} {
			if got[name] != want {
				t.Errorf("%s is settled as %v, want %v", name, got[name], want)
			}
		}
		if len(m.appends) != 2 {
			t.Errorf("%d appends, want the event, then every settlement at once", len(m.appends))
		}
	})
}

// TestASinkThatIgnoresItsTimeIsWaitedFor states what is not handled: a sink
// that goes on after its context has ended breaks the contract of Write. Its
// caller waits for it, because the events are the sink's until it returns.
func TestASinkThatIgnoresItsTimeIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := sink(func(context.Context, []daybook.Event) error { time.Sleep(time.Minute); return nil })
		a := newAccepter(&memory{}, accept.Destination{Name: "d", Sink: deaf, Within: time.Second})
		if took := elapsed(func() { a.Accept(t.Context(), waiting("e1")) }); took != time.Minute {
			t.Errorf("the caller waited %v", took)
		}
	})
}

func TestAPanicInADestinationIsItsFailure(t *testing.T) {
	m := &memory{}
	a := newAccepter(m, accept.Destination{Name: "statsig", Sink: sink(func(context.Context, []daybook.Event) error { panic("bug") })})
	for i, o := range a.Accept(t.Context(), waiting("e1", "e2")) {
		checkForwarded(t, i, o, true)
	}
	if n := len(m.settled()); n != 2 {
		t.Errorf("%d settlements, want 2", n)
	}
}

func TestResultsThatCannotBeStoredAreTold(t *testing.T) {
	broken := errors.New("the disk is gone")
	for name, c := range map[string]struct {
		receipts []store.Receipt
		err      error
		lost     int
	}{
		"none is stored": {nil, broken, 2},
		"one is stored":  {[]store.Receipt{{Status: daybook.Stored}, {Status: daybook.Failed, Err: broken}}, nil, 1},
		"all are stored": {[]store.Receipt{{Status: daybook.Stored}, {Status: daybook.Stored}}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{answer: func(n int, _ []store.Record) ([]store.Receipt, error) {
				if n == 1 {
					return nil, nil // the events are stored
				}
				return c.receipts, c.err
			}}
			a := newAccepter(m, accept.Destination{Name: "d", Sink: takes})
			for _, o := range a.Accept(t.Context(), waiting("e1", "e2")) {
				checkForwarded(t, 0, o, false) // it was forwarded, whatever we remember of it; Unsettled may be nil
			}
			m.appends, m.next = nil, 0
			told := 0
			a.Unsettled = func(attempts int, err error) {
				if told += attempts; !errors.Is(err, broken) {
					t.Errorf("told %v", err)
				}
			}
			a.Accept(t.Context(), waiting("e1", "e2"))
			if told != c.lost {
				t.Errorf("%d results are told to be lost, want %d", told, c.lost)
			}
		})
	}
}

func TestManyCallersForwardAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		a := newAccepter(m, accept.Destination{Name: "d", Sink: sink(func(context.Context, []daybook.Event) error { time.Sleep(time.Second); return nil })})
		var callers sync.WaitGroup
		took := elapsed(func() {
			for range 50 {
				callers.Go(func() { a.Accept(t.Context(), waiting("")) })
			}
			callers.Wait()
		})
		if took != time.Second || len(m.settled()) != 50 {
			t.Errorf("50 callers waited %v, %d settled", took, len(m.settled()))
		}
	})
}
