package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

var everything = deadletter.Filter{All: true}

// retry retries what f means and requires what became of it.
func (r *room) retry(f deadletter.Filter, want map[deadletter.Result]int) []deadletter.Done {
	r.t.Helper()
	var each []deadletter.Done
	s, err := r.index.Retry(r.t.Context(), f, func(d deadletter.Done) { each = append(each, d) })
	if err != nil || !maps.Equal(s.Results, want) {
		r.t.Errorf("results %v, %v, want %v", s.Results, err, want)
	}
	told := map[deadletter.Result]int{}
	for _, d := range each {
		told[d.Result]++
	}
	if !maps.Equal(told, s.Results) {
		r.t.Errorf("told %v, counted %v", told, s.Results)
	}
	return each
}

func TestARetryDeliversTheEventAndClosesTheDeadLetter(t *testing.T) {
	r := newRoom(t)
	at := r.append(event("a"), event("b"), event("c"))
	r.append(refused("a", "kafka", at[0]), withoutEvent(refused("b", "kafka", at[1])), settled("kafka", at[2], daybook.Failed, "forward_failed"))
	r.retry(everything, map[deadletter.Result]int{deadletter.Delivered: 3})
	r.want()
	want := event("a")
	if len(r.sink.taken) != 3 {
		t.Fatalf("taken were %v", r.sink.ids())
	}
	for i, id := range []string{"a", "b", "c"} {
		got := r.sink.taken[i]
		if got.ID != id || string(got.Metadata) != `{"id":"`+id+`"}` || !got.Time.Equal(want.Event.Time) || got.Origin == nil {
			t.Fatalf("%d is %+v", i, got)
		}
		if o := *got.Origin; o.Scope != "publisher" || o.Caller != "checkout" || o.Protocol != "http" || o.Instance != "gateway-1" || !o.Received.Equal(noon) {
			t.Errorf("the origin of %s is %+v", id, o)
		}
	}
	if r.sink.calls != 1 {
		t.Errorf("three events took %d calls", r.sink.calls)
	}
	r.retry(everything, map[deadletter.Result]int{})
}

func TestWhatIsRefusedAgainStaysWithTheNewReasonAndItsEvent(t *testing.T) {
	r := newRoom(t)
	r.append(refused("a", "kafka", 901), refused("b", "kafka", 902))
	r.sink.says = func(events []daybook.Event) error {
		return &daybook.PartialError{Failed: []daybook.Outcome{{ID: "a", Status: daybook.Refused, Err: &daybook.Error{
			Code: daybook.TooLarge, Field: "metadata", Reason: "message_too_large", Message: "the message is larger than the topic allows",
		}}}}
	}
	each := r.retry(everything, map[deadletter.Result]int{deadletter.Delivered: 1, deadletter.Failed: 1})
	if each[0].EventID != "a" || daybook.CodeOf(each[0].Err) != daybook.TooLarge {
		t.Errorf("told %+v", each[0])
	}
	r.want("kafka 901 message_too_large")
	letters, err := r.index.Show(t.Context(), 901, "")
	if err != nil || len(letters) != 1 {
		t.Fatal(letters, err)
	}
	l := letters[0]
	if l.Attempts != 2 || l.Code != daybook.TooLarge || l.Message != "the message is larger than the topic allows" || l.EventName != "login" || !l.Received.Equal(noon) {
		t.Errorf("entry %+v", l.Entry)
	}
	if l.Event == nil || string(l.Event.Event.Metadata) != `{"id":"a"}` || l.Event.Scope != "publisher" {
		t.Errorf("the event is %+v", l.Event)
	}
	r.sink.says = nil
	r.retry(everything, map[deadletter.Result]int{deadletter.Delivered: 1})
	r.want()
}

func TestARefusalWithoutAnyWordsGetsSome(t *testing.T) {
	r := newRoom(t)
	r.append(refused("a", "kafka", 901))
	r.sink.says = func([]daybook.Event) error {
		return &daybook.Error{Code: daybook.Invalid, Err: errors.New("dial https://user:secret@host")}
	}
	r.retry(everything, map[deadletter.Result]int{deadletter.Failed: 1})
	e := r.list(deadletter.Filter{}).Entries[0]
	if e.Reason != "delivery_failed" || e.Message != "the destination did not take the event" || e.Code != daybook.Invalid || e.Attempts != 2 {
		t.Errorf("entry %+v", e)
	}
}

func TestADestinationThatFailsIsLeftAloneAndChangesNothing(t *testing.T) {
	r := newRoom(t)
	for i := range 250 {
		r.append(refused(fmt.Sprint("k", i), "kafka", store.Position(1000+i)))
	}
	r.append(refused("p", "postgres", 2000))
	r.sink.says = func(events []daybook.Event) error {
		if events[0].ID == "k100" {
			return &daybook.Error{Code: daybook.Unavailable, Reason: "unreachable", Message: "no broker answers"}
		}
		return nil
	}
	each := r.retry(everything, map[deadletter.Result]int{deadletter.Delivered: 101, deadletter.Failed: 100, deadletter.NotTried: 50})
	if e, ok := errors.AsType[*daybook.Error](each[100].Err); !ok || each[100].EventID != "k100" || e.Reason != "unreachable" {
		t.Errorf("whoever asked is told %+v", each[100])
	}
	if r.sink.calls != 3 {
		t.Errorf("%d calls, want 3: two of kafka, one of postgres", r.sink.calls)
	}
	reasons := map[string]int{}
	for _, e := range r.list(deadletter.Filter{Limit: 1000}).Entries {
		reasons[fmt.Sprint(e.Reason, " ", e.Attempts)]++
	}
	if want := map[string]int{"row_too_large 1": 150}; !maps.Equal(reasons, want) {
		t.Errorf("open are %v, want %v", reasons, want)
	}
	if _, newest := r.journal.Bounds(); newest != 251+101 {
		t.Errorf("the journal grew to %d records, want one for each that was delivered", newest)
	}
}

func TestADestinationThatSaysWhenToComeAgainGetsTheTime(t *testing.T) {
	for name, test := range map[string]struct {
		after time.Duration
		calls int
		want  deadletter.Result
		took  time.Duration
	}{
		"soon":                    {4 * time.Second, 3, deadletter.Delivered, 8 * time.Second},
		"not before we have left": {6 * time.Second, 9, deadletter.Failed, 12 * time.Second},
		"much later":              {time.Minute, 3, deadletter.Failed, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{}
			m.AddRecord(refused("a", "kafka", 901), 0)
			calls := 0
			index := deadletter.Open(deadletter.Options{Data: t.TempDir(), Source: m, Write: func(context.Context, string, []daybook.Event) error {
				if calls++; calls < test.calls {
					return &daybook.Error{Code: daybook.Unavailable, Reason: "destination_failing", RetryAfter: test.after}
				}
				return nil
			}})
			begin := time.Now()
			s, err := index.Retry(t.Context(), everything, nil)
			if took := time.Since(begin); err != nil || s.Results[test.want] != 1 || took != test.took {
				t.Errorf("%s: %+v, %v after %s", name, s, err, took)
			}
		})
	}
}

func TestADestinationThatIsNotThereAnyMoreIsNotTried(t *testing.T) {
	r := newRoom(t, func(o *deadletter.Options) { o.Destinations = []string{"kafka"} })
	r.append(refused("a", "kafka", 901), refused("b", "postgres", 902))
	r.retry(everything, map[deadletter.Result]int{deadletter.Delivered: 1, deadletter.NoDestination: 1})
	r.want("postgres 902 row_too_large")
}

func TestWhatCannotBeDeliveredIsSaidOneByOne(t *testing.T) {
	r := newRoom(t)
	r.append(withoutEvent(refused("gone", "kafka", 901)), refused("never", "", 0), refused("good", "kafka", 902))
	each := r.retry(everything, map[deadletter.Result]int{deadletter.NotKept: 1, deadletter.NoDestination: 1, deadletter.Delivered: 1})
	for _, d := range each {
		want := map[string]deadletter.Result{"gone": deadletter.NotKept, "never": deadletter.NoDestination, "good": deadletter.Delivered}[d.EventID]
		if d.Result != want {
			t.Errorf("%s: %s, want %s", d.EventID, d.Result, want)
		}
	}
	r.want("kafka 901 row_too_large", " 2 row_too_large")
}

func TestARetryTakesTheOldestAndGoesOnBehindThem(t *testing.T) {
	r := newRoom(t)
	for i := range 5 {
		r.append(refused(fmt.Sprint(i), "kafka", store.Position(900+i)))
	}
	r.sink.says = func(events []daybook.Event) error { return &daybook.Error{Code: daybook.Invalid, Reason: "again"} }
	s, err := r.index.Retry(t.Context(), deadletter.Filter{Destination: "kafka", Limit: 2}, nil)
	if err != nil || s.Matched != 5 || s.Remaining != 3 || s.Results[deadletter.Failed] != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	r.want("kafka 902 row_too_large", "kafka 903 row_too_large", "kafka 904 row_too_large", "kafka 900 again", "kafka 901 again")
	r.sink.says = nil
	if _, err := r.index.Retry(t.Context(), deadletter.Filter{Destination: "kafka", Limit: 2}, nil); err != nil {
		t.Fatal(err)
	}
	r.want("kafka 904 row_too_large", "kafka 900 again", "kafka 901 again")
}

func TestACallGoesOnBehindTheLastOne(t *testing.T) {
	r := newRoom(t)
	for i := range 5 { // records 1 to 5
		r.append(withoutEvent(refused(fmt.Sprint(i), "kafka", store.Position(900+i))))
	}
	var tried []string
	for after, calls := store.Position(0), 0; calls < 3; calls++ {
		s, err := r.index.Retry(t.Context(), deadletter.Filter{All: true, Limit: 2, After: after}, func(d deadletter.Done) {
			tried = append(tried, d.EventID)
		})
		if want := []store.Position{2, 4, 5}[calls]; err != nil || s.Last != want {
			t.Errorf("call %d: %+v, %v, want up to %d", calls, s, err, want)
		}
		after = s.Last
	}
	if want := []string{"0", "1", "2", "3", "4"}; !slices.Equal(tried, want) {
		t.Errorf("tried %v, want %v: none that cannot be tried keeps others from their turn", tried, want)
	}
}

func TestADropClosesWhateverItIsAbout(t *testing.T) {
	r := newRoom(t)
	at := r.event("a")
	r.append(refused("a", "kafka", at), refused("a", "postgres", at), refused("never", "", 0), settled("statsig", at, daybook.Failed, "forward_failed"))
	s, err := r.index.Drop(t.Context(), deadletter.Filter{Destination: "kafka"}, nil)
	if err != nil || s.Matched != 1 || s.Results[deadletter.Dropped] != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	r.want("postgres 1 row_too_large", " 4 row_too_large", "statsig 1 forward_failed")
	if _, err := r.index.Drop(t.Context(), everything, nil); err != nil {
		t.Fatal(err)
	}
	r.want()
	entries, err := r.journal.Read(t.Context(), 5, 100)
	if err != nil || len(entries) != 4 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		if e.Kind != store.KindSettled || e.Settlement.Status != daybook.Dropped || e.Settlement.Reason != "dropped_by_operator" || e.Caller != "checkout" {
			t.Errorf("the record is %+v of %+v", e.Settlement, e.Record)
		}
	}
	r.open() // and so it is after a start
	r.want()
}

func TestOnlyOneChangeIsUnderWay(t *testing.T) {
	r := newRoom(t)
	r.append(refused("a", "kafka", 901))
	var busy error
	if _, err := r.index.Retry(t.Context(), everything, func(deadletter.Done) {
		_, busy = r.index.Drop(t.Context(), everything, nil)
	}); err != nil {
		t.Fatal(err)
	}
	if e, ok := errors.AsType[*daybook.Error](busy); !ok || e.Reason != "busy" || e.Code != daybook.Unavailable {
		t.Errorf("the second: %v", busy)
	}
	if _, err := r.index.Drop(t.Context(), everything, nil); err != nil {
		t.Error("later:", err)
	}
}

func TestACallThatEndsEarlySaysWhatWasDone(t *testing.T) {
	r := newRoom(t)
	for i := range 150 {
		r.append(refused(fmt.Sprint(i), "kafka", store.Position(900+i)))
	}
	ctx, leave := context.WithCancel(t.Context())
	r.sink.says = func(events []daybook.Event) error {
		leave() // while the first batch is under way, which is then taken
		return nil
	}
	s, err := r.index.Retry(ctx, everything, nil)
	if !errors.Is(err, context.Canceled) || s.Results[deadletter.Delivered] != 100 || s.Results[deadletter.NotTried] != 50 {
		t.Errorf("%+v, %v", s, err)
	}
	if n := r.list(deadletter.Filter{}).Open; n != 50 {
		t.Errorf("%d are open, want 50", n)
	}
}

func TestACallerThatLeavesIsNoFailureOfTheEvent(t *testing.T) {
	r := newRoom(t)
	r.append(refused("a", "kafka", 901))
	ctx, leave := context.WithCancel(t.Context())
	r.sink.says = func([]daybook.Event) error {
		leave()
		return ctx.Err()
	}
	if s, err := r.index.Retry(ctx, everything, nil); !errors.Is(err, context.Canceled) || s.Results[deadletter.NotTried] != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if e := r.list(deadletter.Filter{}).Entries[0]; e.Attempts != 1 || e.Reason != "row_too_large" {
		t.Errorf("entry %+v", e)
	}
}

func TestWhatCouldNotBeNotedIsStillListed(t *testing.T) {
	fs := waltest.Wrap(wal.OS{})
	r := newRoomWith(t, journal.Options{Dir: t.TempDir(), FS: fs})
	for i := range 150 {
		r.append(refused(fmt.Sprint(i), "kafka", store.Position(900+i)))
	}
	fs.FailFrom(1, errors.New("input/output error"))
	var each []deadletter.Done
	s, err := r.index.Retry(t.Context(), everything, func(d deadletter.Done) { each = append(each, d) })
	if daybook.CodeOf(err) != daybook.Unavailable || s.Results[deadletter.Failed] != 100 || s.Results[deadletter.NotTried] != 50 {
		t.Errorf("%+v, %v", s, err)
	}
	if !slices.ContainsFunc(each, func(d deadletter.Done) bool { return d.Err != nil }) {
		t.Error("nobody was told why")
	}
	if s, err := r.index.Drop(t.Context(), everything, nil); err == nil || s.Results[deadletter.NotTried] != 150 {
		t.Errorf("a drop: %+v, %v", s, err)
	}
	fs.Heal()
	if n := r.list(deadletter.Filter{}).Open; n != 150 {
		t.Errorf("%d are open, want 150", n)
	}
}

func TestLargeEventsAreRetriedAFewAtATime(t *testing.T) {
	r := newRoom(t)
	large := fmt.Appendf(nil, `{"a":"%01000000d"}`, 1)
	for i := range 12 {
		e := event(fmt.Sprint("e", i))
		e.Event.Metadata = large
		about := refused(fmt.Sprint("e", i), "kafka", r.append(e)[0])
		if about.Event.Metadata = large; i%2 == 0 {
			about = withoutEvent(about) // its event is elsewhere
		}
		r.append(about)
	}
	r.retry(everything, map[deadletter.Result]int{deadletter.Delivered: 12})
	if r.sink.calls < 2 {
		t.Errorf("12 MB were handed over in %d call", r.sink.calls)
	}
	ids := r.sink.ids()
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 12 {
		t.Errorf("delivered were %v", r.sink.ids())
	}
}
