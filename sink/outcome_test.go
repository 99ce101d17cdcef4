package sink_test

import (
	"errors"
	"testing"

	"daybook.dev"
	"daybook.dev/sink"
)

func TestFailureSaysWhetherSendingAgainHelps(t *testing.T) {
	permanent := map[daybook.Code]bool{daybook.Invalid: true, daybook.TooLarge: true, daybook.Conflict: true}
	for code := daybook.Invalid; code <= daybook.Internal; code++ {
		err := &daybook.Error{Code: code, Reason: "why"}
		want := daybook.Outcome{ID: "e", Status: daybook.Failed, Reason: "why", Err: err}
		if permanent[code] {
			want.Status = daybook.Refused
		}
		if got := sink.Failure("e", err); got != want {
			t.Errorf("%v: got %+v, want %+v", code, got, want)
		}
	}
	if got := sink.Failure("e", errors.New("?")); got.Status != daybook.Failed {
		t.Errorf("an error without a code: got %+v, want failed", got)
	}
}
