package daybook_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
)

func TestOneOfATeeThatWillTakeAnEventLaterGetsIt(t *testing.T) {
	failed := func(status daybook.Status, code daybook.Code) func(context.Context, []daybook.Event) error {
		return func(_ context.Context, events []daybook.Event) error {
			return &daybook.PartialError{Failed: []daybook.Outcome{{ID: strings.Clone(events[0].ID), Status: status, Err: &daybook.Error{Code: code}}}}
		}
	}
	whole := func(code daybook.Code) func(context.Context, []daybook.Event) error {
		return func(context.Context, []daybook.Event) error { return &daybook.Error{Code: code} }
	}
	for _, c := range []struct {
		name            string
		later, refusing func(context.Context, []daybook.Event) error
	}{
		{"an event each", failed(daybook.Failed, daybook.Unavailable), failed(daybook.Refused, daybook.Invalid)},
		{"all events", whole(daybook.Unavailable), whole(daybook.Invalid)},
		{"an event, and all", failed(daybook.Failed, daybook.Unavailable), whole(daybook.Invalid)},
		{"all, and an event", whole(daybook.Unavailable), failed(daybook.Refused, daybook.Invalid)},
	} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprint(c.name, ", the later one first: ", first), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					later, refusing := &memory{answer: c.later}, &memory{answer: c.refusing}
					tee := daybook.Tee(refusing, later)
					if first {
						tee = daybook.Tee(later, refusing)
					}
					client := open(t, daybook.Config{Sinks: to(tee)})
					record(t, client, "a")
					time.Sleep(10*time.Second + time.Millisecond)
					later.answers(nil)
					time.Sleep(time.Hour)
					synctest.Wait()
					if len(later.all()) == 0 {
						t.Errorf("it has nothing: %+v", balanced(t, client))
					}
				})
			})
		}
	}
}
