package publish_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/publish"
)

// names writes the event's name, and refuses those called "bad".
type names struct{}

func (names) Encode(dst []byte, e *daybook.Event) (sink.Message, error) {
	if e.Name == "bad" {
		return sink.Message{}, coded(daybook.Invalid)
	}
	return sink.Message{Value: append(dst, e.Name...)}, nil
}

func coded(code daybook.Code) error { return &daybook.Error{Code: code, Reason: "because"} }

func batch(list ...string) (*publish.Batch, []int, *publish.Meter) {
	events := make([]daybook.Event, len(list))
	for i, name := range list {
		events[i] = daybook.Event{ID: fmt.Sprint(i), Name: name}
	}
	meter := new(publish.Meter)
	b, writable := publish.Encode(events, names{}, meter)
	return b, writable, meter
}

func TestEncode(t *testing.T) {
	long := strings.Repeat("x", 10_000) // more room than was reckoned with
	b, writable, _ := batch("one", "bad", "two", long, "three")
	if !slices.Equal(writable, []int{0, 2, 3, 4}) {
		t.Errorf("writable: %v", writable)
	}
	for _, i := range writable {
		// Who appends to a value must not reach the next one.
		_ = append(b.Messages[i].Value, "!!!!"...)
	}
	for i, want := range []string{"one", "", "two", long, "three"} {
		if got := string(b.Messages[i].Value); got != want {
			t.Errorf("value %d is %.20q, want %.20q", i, got, want)
		}
	}
}

// roomy claims events to be smaller than what is written of them.
type roomy struct{}

func (roomy) Encode(dst []byte, e *daybook.Event) (sink.Message, error) {
	return sink.Message{Value: append(dst, strings.Repeat(e.Name, 1000)...)}, nil
}

func TestValuesThatOutgrowTheRoomHaveTheirOwn(t *testing.T) {
	b, _ := publish.Encode([]daybook.Event{{Name: "a"}, {Name: "b"}, {Name: "c"}}, roomy{}, new(publish.Meter))
	for i, name := range []string{"a", "b", "c"} {
		if got := string(b.Messages[i].Value); got != strings.Repeat(name, 1000) {
			t.Errorf("value %d is %.20q…", i, got)
		}
	}
}

func TestResult(t *testing.T) {
	late := errors.New("too late")
	t.Run("nil when every event was acknowledged", func(t *testing.T) {
		b, writable, meter := batch("a", "b")
		for _, i := range writable {
			b.Settle(i, nil)
		}
		if err := b.Result(late); err != nil {
			t.Error(err)
		}
		if got := meter.Counts(); got != (sink.Counts{Delivered: 2}) {
			t.Errorf("counts: %+v", got)
		}
	})
	t.Run("those that failed are named, each with its status", func(t *testing.T) {
		b, _, meter := batch("a", "bad", "c", "d")
		b.Settle(0, nil)
		b.Settle(2, coded(daybook.Unavailable))
		partial, ok := errors.AsType[*daybook.PartialError](b.Result(late))
		if !ok {
			t.Fatal("no partial error")
		}
		want := []daybook.Outcome{
			{ID: "1", Status: daybook.Refused, Reason: "because"},
			{ID: "2", Status: daybook.Failed, Reason: "because"},
			{ID: "3", Status: daybook.Unknown},
		}
		for i := range partial.Failed {
			if partial.Failed[i].Err == nil {
				t.Errorf("event %s has no error", partial.Failed[i].ID)
			}
			partial.Failed[i].Err = nil
		}
		if !slices.Equal(partial.Failed, want) {
			t.Errorf("failed: %+v\nwant:   %+v", partial.Failed, want)
		}
		if got := meter.Counts(); got != (sink.Counts{Delivered: 1, Failed: 3}) {
			t.Errorf("counts: %+v", got)
		}
	})
	t.Run("one error stands for all when it is not about the single event", func(t *testing.T) {
		b, _, _ := batch("a", "b")
		b.Settle(0, coded(daybook.Denied))
		b.Settle(1, coded(daybook.Denied))
		if err := b.Result(late); daybook.CodeOf(err) != daybook.Denied || isPartial(err) {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("one event's error is Write's", func(t *testing.T) {
		b, _, _ := batch("bad")
		if err := b.Result(late); daybook.CodeOf(err) != daybook.Invalid || isPartial(err) {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("events that are all refused for good are all named", func(t *testing.T) {
		b, _, _ := batch("bad", "bad")
		if err := b.Result(late); !isPartial(err) {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("different failures of all are told apart", func(t *testing.T) {
		b, _, _ := batch("a", "b")
		b.Settle(0, coded(daybook.Denied))
		b.Settle(1, coded(daybook.Unavailable))
		if err := b.Result(late); !isPartial(err) {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("an acknowledgement that comes later is counted, and changes nothing", func(t *testing.T) {
		b, _, meter := batch("a", "b")
		err := b.Result(late)
		b.Settle(0, nil)
		b.Settle(1, coded(daybook.Unavailable))
		if !errors.Is(err, late) {
			t.Errorf("error: %v", err)
		}
		if got := meter.Counts(); got != (sink.Counts{Failed: 2, Late: 1}) {
			t.Errorf("counts: %+v", got)
		}
	})
}

func isPartial(err error) bool {
	_, ok := errors.AsType[*daybook.PartialError](err)
	return ok
}

// TestIsolate sends groups to a broker that refuses a group when one of bad is
// in it, whatever the group's size, and takes everything else.
func TestIsolate(t *testing.T) {
	for n := 1; n <= 40; n++ {
		for _, bad := range [][]int{{0}, {n - 1}, {n / 2}, {0, n - 1}, {n / 3, n / 2}} {
			taken, refused, calls := map[int]int{}, map[int]int{}, 0
			send := func(group []int) []int {
				calls++
				if !slices.ContainsFunc(group, func(i int) bool { return slices.Contains(bad, i) }) {
					for _, i := range group {
						taken[i]++
					}
					return nil
				}
				if len(group) == 1 {
					refused[group[0]]++
					return nil
				}
				return group
			}
			all := make([]int, n)
			for i := range all {
				all[i] = i
			}
			publish.Isolate(all, send)
			for i := range n {
				wantRefused := 0
				if slices.Contains(bad, i) {
					wantRefused = 1
				}
				if refused[i] != wantRefused || taken[i] != 1-wantRefused {
					t.Errorf("%d of %d, bad are %v: refused %d times, taken %d times", i, n, bad, refused[i], taken[i])
				}
			}
			if most := 2 * len(bad) * 7; calls > most { // 2^6 > 40
				t.Errorf("%d calls for %d with %v bad, want %d at most", calls, n, bad, most)
			}
		}
	}
}
