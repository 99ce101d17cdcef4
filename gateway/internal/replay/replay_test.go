package replay_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/replay"
	"daybook.dev/gateway/internal/store"
)

var everything = replay.Spec{To: "kafka", From: "start"}

func refusal(code daybook.Code, after time.Duration) error {
	return &daybook.Error{Code: code, Reason: "a_reason", Message: "a sentence", RetryAfter: after}
}

func TestAReplayDeliversWhatItWasAskedFor(t *testing.T) {
	for name, test := range map[string]struct {
		spec   replay.Spec
		want   []string
		counts replay.Counts
	}{
		"from the start":      {replay.Spec{From: "start"}, []string{"e0", "e1", "e2", "e3", "e4"}, replay.Counts{Read: 5, Matched: 5, Delivered: 5}},
		"from a time":         {replay.Spec{From: "2026-01-31T12:03:00Z"}, []string{"e3", "e4"}, replay.Counts{Read: 2, Matched: 2, Delivered: 2}},
		"until a time":        {replay.Spec{From: "start", Until: "2026-01-31T12:01:00Z"}, []string{"e0"}, replay.Counts{Read: 1, Matched: 1, Delivered: 1}},
		"between two times":   {replay.Spec{From: "2026-01-31T12:01:00Z", Until: "2026-01-31T13:03:00+01:00"}, []string{"e1", "e2"}, replay.Counts{Read: 2, Matched: 2, Delivered: 2}},
		"times the wrong way": {replay.Spec{From: "2026-01-31T12:03:00Z", Until: "2026-01-31T12:01:00Z"}, nil, replay.Counts{}},
		"a time to come":      {replay.Spec{From: "2027-01-31T12:03:00Z", Until: "now"}, nil, replay.Counts{}},
		"what matches":        {replay.Spec{From: "start", Where: "e3"}, []string{"e3"}, replay.Counts{Read: 5, Matched: 1, Delivered: 1}},
		"only counting":       {replay.Spec{From: "start", Where: "e3", DryRun: true}, nil, replay.Counts{Read: 5, Matched: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *room) {
				r.shelf.fill(5)
				test.spec.To = "postgres"
				j := r.finished(r.ask(test.spec).ID)
				if got := r.sink.names(); !slices.Equal(got, test.want) {
					t.Errorf("delivered %v, want %v", got, test.want)
				}
				if j.State != replay.Done || j.Counts != test.counts || j.Percent() != 100 || j.Finished.IsZero() || j.Problem != nil {
					t.Errorf("ended as %+v, want done with %+v", j, test.counts)
				}
				if held := r.shelf.holds(); len(held) > 0 {
					t.Errorf("it still holds %v", held)
				}
			})
		})
	}
}

func TestAnEventIsReplayedWithItsOriginToItsDestination(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.Add("a", noon, 0)
		r.finished(r.ask(everything).ID)
		e := r.sink.taken[0]
		if e.ID != "id-a" || e.Type != "kafka" || e.Origin == nil || e.Origin.Caller != "anonymous" || !e.Origin.Received.Equal(noon) {
			t.Errorf("the event is %+v of %+v", e, e.Origin)
		}
	})
}

func TestWhatADestinationIsNotToGetIsSkipped(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.Add("a", noon, 0)
		r.shelf.AddRecord(store.Record{Kind: store.KindEvent, Event: daybook.Event{ID: "b", Name: "b"}, StoreOnly: true}, 0)
		for _, dry := range []bool{true, false} {
			j := r.finished(r.ask(replay.Spec{To: "kafka", From: "start", DryRun: dry}).ID)
			if j.Matched != 2 || j.Skipped != 1 {
				t.Errorf("dry %v: %+v", dry, j.Counts)
			}
		}
		if got := r.sink.names(); !slices.Equal(got, []string{"a"}) {
			t.Errorf("delivered %v", got)
		}
	})
}

func TestAReplayGoesOnAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(300)
		j := r.ask(replay.Spec{To: "kafka", From: "start", Rate: 10})
		time.Sleep(9500 * time.Millisecond)
		r.stop()
		halfway := r.job(j.ID)
		if halfway.Delivered != 100 || halfway.Percent() < 24 || halfway.Percent() > 34 {
			t.Fatalf("halfway is %+v, %g%%", halfway, halfway.Percent())
		}
		r.shelf.held = nil
		r.start()
		if held := r.shelf.holds(); held["replay:"+j.ID] != halfway.Position {
			t.Errorf("it holds %v, want all behind %d", held, halfway.Position)
		}
		j = r.finished(j.ID)
		if j.Delivered != 300 || j.Read != 300 || j.State != replay.Done {
			t.Errorf("ended as %+v", j)
		}
		if got := r.sink.names(); len(got) != 300 || got[0] != "e0" || got[299] != "e299" {
			t.Errorf("delivered %d: %v", len(got), got)
		}
	})
}

func TestAReplayHoldsWhatItStillNeeds(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(300)
		j := r.ask(replay.Spec{To: "kafka", From: "2026-01-31T12:30:00Z", Rate: 10})
		if held := r.shelf.holds(); held["replay:"+j.ID] != j.After || j.After == 0 {
			t.Errorf("in the beginning it holds %v", held)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if held, now := r.shelf.holds()["replay:"+j.ID], r.job(j.ID).Position; held <= j.After || held > now {
			t.Errorf("at %d it holds what is behind %d", now, held)
		}
		r.finished(j.ID)
	})
}

func TestWhatWasRemovedBeforeItsTurnIsCounted(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(300)
		j := r.ask(replay.Spec{To: "kafka", From: "start", Rate: 10})
		time.Sleep(5 * time.Second)
		r.stop()
		at := r.job(j.ID).Position
		r.shelf.Forget(400) // all of them
		r.start()
		if j = r.finished(j.ID); j.Missed != uint64(400-at) || j.State != replay.Done || j.Position != j.End {
			t.Errorf("at %d: %+v", at, j)
		}
	})
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(300)
		j := r.ask(replay.Spec{To: "kafka", From: "start", Rate: 10})
		time.Sleep(5 * time.Second)
		r.stop()
		at := r.job(j.ID).Position
		r.shelf.Forget(250) // with the hold, only a full disk does that
		r.start()
		if j = r.finished(j.ID); j.Missed != uint64(250-at) || j.State != replay.Done || j.Position != j.End {
			t.Errorf("at %d: %+v", at, j)
		}
	})
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.Add("a", noon, 0)
		r.shelf.Add("b", noon, 4) // four are damaged
		r.shelf.Add("c", noon, 0)
		if j := r.finished(r.ask(everything).ID); j.Missed != 4 || j.Delivered != 3 {
			t.Errorf("%+v", j.Counts)
		}
	})
}

func TestACanceledReplayEnds(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(300)
		r.sink.say(func([]daybook.Event) error { return refusal(daybook.Unavailable, time.Hour) })
		running := r.ask(everything)
		time.Sleep(time.Second)
		r.ask(everything)
		time.Sleep(time.Second)
		queued := r.ask(everything)
		time.Sleep(time.Minute)
		if s := r.job(queued.ID).State; s != replay.Queued {
			t.Errorf("the third is %s", s)
		}
		for _, id := range []string{running.ID, queued.ID, running.ID} {
			j, ok, err := r.replayer.Cancel(id)
			if err != nil || !ok || j.State != replay.Canceled || j.Finished.IsZero() {
				t.Errorf("%+v, %v, %v", j, ok, err)
			}
		}
		time.Sleep(time.Minute)
		if held := r.shelf.holds(); len(held) != 1 {
			t.Errorf("held is %v, want what the second needs", held)
		}
		if _, ok, err := r.replayer.Cancel("another"); ok || err != nil {
			t.Errorf("one that is not there: %v, %v", ok, err)
		}
		r.stop()
		r.start()
		if s := r.job(running.ID).State; s != replay.Canceled {
			t.Errorf("after a restart it is %s", s)
		}
	})
}

func TestOnlySoManyRunAtOnceInTheOrderTheyWereAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(2)
		r.sink.say(func([]daybook.Event) error { return refusal(daybook.Unavailable, time.Second) })
		var ids []string
		for range 8 {
			ids = append(ids, r.ask(everything).ID)
			time.Sleep(time.Second)
		}
		running := func() (all []int) {
			for i, id := range ids {
				switch s := r.job(id).State; s {
				case replay.Running:
					all = append(all, i)
				case replay.Queued, replay.Canceled:
				default:
					t.Errorf("%d is %s", i, s)
				}
			}
			return all
		}
		for i := range 7 {
			if got := running(); !slices.Equal(got, []int{i, i + 1}) {
				t.Fatalf("running are %v, want %d and the next", got, i)
			}
			if _, _, err := r.replayer.Cancel(ids[i]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		listed := r.replayer.List()
		if len(listed) != 8 || listed[0].ID != ids[7] || listed[7].ID != ids[0] {
			t.Errorf("listed are %+v", listed)
		}
	})
}

func TestTooManyReplaysAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(1)
		r.sink.say(func([]daybook.Event) error { return refusal(daybook.Unavailable, time.Hour) })
		for range 100 {
			r.ask(everything)
		}
		if _, err := r.replayer.Start(t.Context(), everything); daybook.CodeOf(err) != daybook.Exhausted {
			t.Errorf("the next: %v", err)
		}
	})
}

func TestAFinishedReplayIsListedForAWeek(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		j := r.finished(r.ask(everything).ID)
		time.Sleep(7*24*time.Hour - time.Minute)
		if len(r.replayer.List()) != 1 {
			t.Error("it was forgotten early")
		}
		time.Sleep(time.Hour)
		if _, ok := r.replayer.Job(j.ID); ok {
			t.Error("it is still there")
		}
		if names, err := r.disk.Names("/data/replays"); err != nil || len(names) > 0 {
			t.Errorf("files %v, %v", names, err)
		}
	})
}

func TestWhatCannotBeReplayedIsRefusedWithItsField(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		for field, specs := range map[string][]replay.Spec{
			"to":    {{From: "start"}, {To: "elsewhere", From: "start"}},
			"from":  {{To: "kafka"}, {To: "kafka", From: "yesterday"}, {To: "kafka", From: "now"}},
			"until": {{To: "kafka", From: "start", Until: "later"}},
			"where": {{To: "kafka", From: "start", Where: "not a name"}},
			"rate":  {{To: "kafka", From: "start", Rate: -1}, {To: "kafka", From: "start", Rate: 1e300}},
		} {
			for _, s := range specs {
				_, err := r.replayer.Start(t.Context(), s)
				if e, ok := errors.AsType[*daybook.Error](err); !ok || e.Code != daybook.Invalid || e.Field != field {
					t.Errorf("%+v: %v", s, err)
				}
			}
		}
		if l := r.replayer.List(); len(l) != 0 {
			t.Errorf("listed are %+v", l)
		}
	})
}

func TestAStoreThatCannotBeReadIsReadLater(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(3)
		r.shelf.Fail(refusal(daybook.Unavailable, 0))
		j := r.ask(everything)
		time.Sleep(time.Minute)
		if j = r.job(j.ID); j.State != replay.Running || j.Problem == nil {
			t.Errorf("meanwhile: %+v", j)
		}
		r.shelf.Fail(nil)
		if j = r.finished(j.ID); j.Delivered != 3 {
			t.Errorf("ended as %+v", j)
		}
	})
}

func TestAReplayThatIsNotWrittenIsNotStarted(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(1)
		r.disk.Limit(1)
		if _, err := r.replayer.Start(t.Context(), everything); daybook.CodeOf(err) != daybook.Unavailable {
			t.Errorf("got %v", err)
		}
		if l := r.replayer.List(); len(l) != 0 || len(r.shelf.holds()) != 0 {
			t.Errorf("listed are %+v, held %v", l, r.shelf.holds())
		}
		time.Sleep(time.Minute)
		if got := r.sink.names(); len(got) != 0 {
			t.Errorf("delivered %v", got)
		}
	})
}
