package replay_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/replay"
)

func TestWhatIsRefusedForGoodIsCountedAndListed(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(300)
		r.sink.say(func(events []daybook.Event) error {
			var failed []daybook.Outcome
			for _, e := range events {
				if !strings.HasSuffix(e.Name, "0") {
					failed = append(failed, daybook.Outcome{ID: e.ID, Err: refusal(daybook.TooLarge, 0)})
				}
			}
			return &daybook.PartialError{Failed: failed}
		})
		j := r.finished(r.ask(everything).ID)
		if j.State != replay.Done || j.Failed != 270 || j.Delivered != 30 || len(j.Failures) != 100 {
			t.Errorf("ended as %v with %+v, %d listed", j.State, j.Counts, len(j.Failures))
		}
		if want := (replay.Failure{Position: 2, EventID: "id-e1", Code: "too_large", Reason: "a_reason", Message: "a sentence"}); j.Failures[0] != want {
			t.Errorf("the first is %+v, want %+v", j.Failures[0], want)
		}
	})
}

func TestADestinationThatFailsIsTriedAgainWithGrowingWaits(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(3)
		r.sink.say(func([]daybook.Event) error { return refusal(daybook.Unavailable, 0) })
		j := r.ask(everything)
		time.Sleep(2 * time.Minute)
		if j = r.job(j.ID); j.State != replay.Running || j.Problem == nil || j.Problem.Reason != "a_reason" || time.Since(j.Problem.Since) < time.Minute {
			t.Errorf("while it fails: %+v, %+v", j, j.Problem)
		}
		var waits []time.Duration
		calls := r.sink.calls()
		for i := range calls[1:] {
			waits = append(waits, calls[i+1].Sub(calls[i]))
		}
		var want []time.Duration
		for _, seconds := range []float64{0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30} {
			want = append(want, time.Duration(seconds*1000)*time.Millisecond)
		}
		if !slices.Equal(waits[:len(want)], want) {
			t.Errorf("waits %v, want %v", waits, want)
		}
		r.sink.say(nil)
		if j = r.finished(j.ID); j.Delivered != 3 || j.Problem != nil {
			t.Errorf("afterwards: %+v", j)
		}
		if log := r.log.String(); strings.Count(log, "does not get on") != 1 || strings.Count(log, "gets on again") != 1 {
			t.Errorf("the log is\n%s", log)
		}
	})
}

func TestOnlyWhatWasNotTakenIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(3)
		first := true
		r.sink.say(func([]daybook.Event) error {
			if !first {
				return nil
			}
			first = false
			return &daybook.PartialError{Failed: []daybook.Outcome{
				{ID: "id-e0", Err: refusal(daybook.Invalid, 0)}, {ID: "id-e2", Err: refusal(daybook.Unavailable, 0)},
			}}
		})
		j := r.finished(r.ask(everything).ID)
		if got := r.sink.names(); !slices.Equal(got, []string{"e2"}) || j.Delivered != 2 || j.Failed != 1 {
			t.Errorf("the second try had %v; %+v", got, j.Counts)
		}
	})
}

func TestADestinationThatAsksForTimeGetsIt(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(1)
		r.sink.say(func([]daybook.Event) error { return refusal(daybook.Exhausted, 90*time.Second) })
		j := r.ask(everything)
		time.Sleep(time.Second)
		r.sink.say(nil)
		r.finished(j.ID)
		if calls := r.sink.calls(); len(calls) != 2 || calls[1].Sub(calls[0]) != 90*time.Second {
			t.Errorf("calls at %v", calls)
		}
	})
}

func TestAdviceToWaitForDaysIsFollowedForAnHour(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(1)
		r.sink.say(func([]daybook.Event) error { return refusal(daybook.Exhausted, 1000*time.Hour) })
		j := r.ask(everything)
		time.Sleep(time.Second)
		r.sink.say(nil)
		r.finished(j.ID)
		if calls := r.sink.calls(); len(calls) != 2 || calls[1].Sub(calls[0]) != time.Hour {
			t.Errorf("calls at %v", calls)
		}
	})
}

func TestAMisconfiguredDestinationPausesTheReplayUntilItIsCorrected(t *testing.T) {
	for _, code := range []daybook.Code{daybook.Denied, daybook.Unauthenticated, daybook.Unimplemented} {
		bubble(t, func(t *testing.T, r *room) {
			r.shelf.fill(1)
			r.sink.say(func([]daybook.Event) error { return refusal(code, 0) })
			j := r.ask(everything)
			time.Sleep(45 * time.Second)
			if j = r.job(j.ID); j.State != replay.Paused || j.Problem.Code != code.String() || len(r.sink.calls()) != 2 {
				t.Errorf("%v: %+v, %+v, %d calls", code, j, j.Problem, len(r.sink.calls()))
			}
			r.sink.say(nil)
			if j = r.finished(j.ID); j.State != replay.Done || j.Delivered != 1 {
				t.Errorf("%v: %+v", code, j)
			}
		})
	}
}

func TestARateIsKept(t *testing.T) {
	for rate, want := range map[float64]time.Duration{10: 11 * time.Second, 0.5: 238 * time.Second, 1000: 0} {
		bubble(t, func(t *testing.T, r *room) {
			r.shelf.fill(120)
			begin := time.Now()
			j := r.ask(replay.Spec{To: "kafka", From: "start", Rate: rate})
			j = r.finished(j.ID)
			if took := j.Finished.Sub(begin); took < want || took > want+time.Second {
				t.Errorf("120 events at %g/s took %s, want %s", rate, took, want)
			}
		})
	}
}

// A stop while a destination hangs does not wait for it.
func TestAStopInterruptsADelivery(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.stop()
		hangs := func(ctx context.Context, _ string, _ []daybook.Event) error { <-ctx.Done(); return ctx.Err() }
		o := r.options()
		o.Write = hangs
		replayer, err := replay.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		r.shelf.fill(1)
		stop := run(t, replayer)
		j, err := replayer.Start(t.Context(), everything)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		begin := time.Now()
		stop()
		if took := time.Since(begin); took > 0 {
			t.Errorf("it took %s", took)
		}
		if now, _ := replayer.Job(j.ID); now.Delivered != 0 || now.State.Finished() {
			t.Errorf("it is %+v", now)
		}
	})
}

func TestADestinationThatPanicsIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(1)
		calls := 0
		r.sink.say(func([]daybook.Event) error {
			if calls++; calls == 1 {
				panic("a bug")
			}
			return nil
		})
		if j := r.finished(r.ask(everything).ID); j.Delivered != 1 {
			t.Errorf("%+v", j.Counts)
		}
	})
}
