package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/query/querytest"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
)

func TestWhatTheLastRecordSaysIsTrueOfADeadLetter(t *testing.T) {
	for name, test := range map[string]struct {
		records func(at store.Position) []store.Record
		want    []string
	}{
		"a destination refused an event": {
			func(at store.Position) []store.Record { return []store.Record{refused("a", "kafka", at)} },
			[]string{"kafka 1 row_too_large"},
		},
		"two records about the same are one dead letter": {
			func(at store.Position) []store.Record {
				again := refused("a", "kafka", at)
				again.Refusal.Reason = "too_deep"
				return []store.Record{refused("a", "kafka", at), again}
			},
			[]string{"kafka 1 too_deep"},
		},
		"two destinations refused the same event": {
			func(at store.Position) []store.Record {
				return []store.Record{refused("a", "kafka", at), refused("a", "postgres", at)}
			},
			[]string{"kafka 1 row_too_large", "postgres 1 row_too_large"},
		},
		"it was retried": {
			func(at store.Position) []store.Record {
				return []store.Record{refused("a", "kafka", at), refused("a", "postgres", at), settled("kafka", at, daybook.Stored, "retried")}
			},
			[]string{"postgres 1 row_too_large"},
		},
		"it was dropped": {
			func(at store.Position) []store.Record {
				return []store.Record{refused("a", "kafka", at), settled("kafka", at, daybook.Dropped, "dropped_by_operator")}
			},
			nil,
		},
		"it was retried, and refused again after that": {
			func(at store.Position) []store.Record {
				return []store.Record{refused("a", "kafka", at), settled("kafka", at, daybook.Stored, "retried"), refused("a", "kafka", at)}
			},
			[]string{"kafka 1 row_too_large"},
		},
		"a destination took an event while its caller waited": {
			func(at store.Position) []store.Record {
				return []store.Record{settled("statsig", at, daybook.Stored, "")}
			},
			nil,
		},
		"a destination failed while the caller waited": {
			func(at store.Position) []store.Record {
				return []store.Record{settled("statsig", at, daybook.Failed, "forward_failed")}
			},
			[]string{"statsig 1 forward_failed"},
		},
		"nobody knows whether a destination took it": {
			func(at store.Position) []store.Record {
				return []store.Record{settled("statsig", at, daybook.Unknown, "outcome_unknown")}
			},
			[]string{"statsig 1 outcome_unknown"},
		},
		"the gateway itself set an event aside": {
			func(store.Position) []store.Record { return []store.Record{refused("never", "", 0)} },
			[]string{" 2 row_too_large"},
		},
		"what the gateway itself set aside was dropped": {
			func(store.Position) []store.Record {
				return []store.Record{refused("never", "", 0), settled("", 2, daybook.Dropped, "dropped_by_operator")}
			},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.append(test.records(r.event("a"))...)
			r.want(test.want...)
		})
	}
}

func TestAnEntryHasTheSmallFields(t *testing.T) {
	r := newRoom(t)
	at := r.event("a")
	r.append(refused("a", "kafka", at))
	want := deadletter.Entry{
		Destination: "kafka", Position: 1, Record: 2, EventID: "a", EventName: "login", Caller: "checkout", Received: noon,
		Attempts: 1, Code: daybook.Invalid, Reason: "row_too_large", Field: "metadata", Message: "the row has more bytes than a row may have",
	}
	if got := r.list(deadletter.Filter{}).Entries; len(got) != 1 || got[0] != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	long := refused("a", "kafka", at)
	long.Refusal.Message = strings.Repeat("ä", 500)
	r.append(long)
	if got := r.list(deadletter.Filter{}).Entries[0].Message; got != strings.Repeat("ä", 128) {
		t.Errorf("of a long message %d bytes are kept: %q", len(got), got)
	}
	if got, err := r.index.Show(t.Context(), at, ""); err != nil || len(got) != 1 || got[0].Message != long.Refusal.Message {
		t.Errorf("shown is %+v, %v, want the whole message", got, err)
	}
}

func TestANameThatANewerRecordLeavesOutIsNotForgotten(t *testing.T) {
	r := newRoom(t)
	r.append(refused("a", "kafka", 901))
	again := refused("a", "kafka", 901)
	again.Event = daybook.Event{ID: "a"}
	r.append(again)
	if e := r.list(deadletter.Filter{}).Entries[0]; e.EventName != "login" || e.Record != 2 {
		t.Errorf("entry %+v", e)
	}
}

func TestAFilterMeansWhatHoldsInEveryPart(t *testing.T) {
	r := newRoom(t)
	a, b := r.event("a"), r.event("b") // 1, 2
	of := refused("b", "kafka", b)
	of.Caller, of.Event.Name, of.Received = "web", "logout", noon.Add(time.Hour)
	of.Refusal.Reason, of.Refusal.Code = "too_deep", daybook.TooLarge
	r.append(refused("a", "kafka", a), refused("a", "postgres", a), of, refused("never", "", 0)) // 3 to 6
	for name, test := range map[string]struct {
		filter deadletter.Filter
		want   []store.Position // of the records, newest first
	}{
		"nothing said":              {deadletter.Filter{}, []store.Position{6, 5, 4, 3}},
		"all":                       {deadletter.Filter{All: true}, []store.Position{6, 5, 4, 3}},
		"the newest two":            {deadletter.Filter{Limit: 2}, []store.Position{6, 5}},
		"a destination":             {deadletter.Filter{Destination: "kafka"}, []store.Position{5, 3}},
		"the gateway's own":         {deadletter.Filter{Own: true}, []store.Position{6}},
		"positions":                 {deadletter.Filter{Positions: []store.Position{a, 6}}, []store.Position{6, 4, 3}},
		"a position, a destination": {deadletter.Filter{Positions: []store.Position{a}, Destination: "postgres"}, []store.Position{4}},
		"an event id":               {deadletter.Filter{EventID: "b"}, []store.Position{5}},
		"an event name":             {deadletter.Filter{EventName: "logout"}, []store.Position{5}},
		"a caller":                  {deadletter.Filter{Caller: "checkout"}, []store.Position{6, 4, 3}},
		"a reason":                  {deadletter.Filter{Reason: "too_deep"}, []store.Position{5}},
		"a code":                    {deadletter.Filter{Code: "too_large"}, []store.Position{5}},
		"since":                     {deadletter.Filter{Since: noon.Add(time.Hour)}, []store.Position{5}},
		"until":                     {deadletter.Filter{Until: noon.Add(time.Hour)}, []store.Position{6, 4, 3}},
		"until right before":        {deadletter.Filter{Until: noon}, nil},
		"nobody":                    {deadletter.Filter{Caller: "nobody"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []store.Position
			for _, e := range r.list(test.filter).Entries {
				got = append(got, e.Record)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	if l := r.list(deadletter.Filter{Limit: 1, Caller: "checkout"}); l.Matched != 3 || l.Open != 4 {
		t.Errorf("matched %d of %d, want 3 of 4", l.Matched, l.Open)
	}
}

func TestAFilterThatCannotMeanAnythingIsRefused(t *testing.T) {
	r := newRoom(t)
	for name, f := range map[string]deadletter.Filter{
		"limit":     {Limit: 10_001},
		"code":      {Code: "terrible"},
		"own":       {Own: true, Destination: "kafka"},
		"until":     {Since: noon, Until: noon},
		"positions": {Positions: make([]store.Position, 1001)},
	} {
		_, err := r.index.List(t.Context(), f)
		if e, ok := errors.AsType[*daybook.Error](err); !ok || e.Code != daybook.Invalid || e.Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, f := range map[string]deadletter.Filter{"nothing said": {}, "only a limit": {Limit: 3}, "all and something": {All: true, Caller: "c"}} {
		if _, err := r.index.Retry(t.Context(), f, nil); daybook.CodeOf(err) != daybook.Invalid {
			t.Errorf("retry of %s: %v", name, err)
		}
		if _, err := r.index.Drop(t.Context(), f, nil); daybook.CodeOf(err) != daybook.Invalid {
			t.Errorf("drop of %s: %v", name, err)
		}
	}
}

func TestBeyondItsBoundsTheOldestAreCountedInsteadOfListed(t *testing.T) {
	r := newRoom(t, func(o *deadletter.Options) { o.Most, o.PerCaller = 5, 3 })
	for i := range 4 { // 1 to 4, of checkout
		r.append(refused(fmt.Sprint(i), "kafka", store.Position(100+i)))
	}
	r.want("kafka 101 row_too_large", "kafka 102 row_too_large", "kafka 103 row_too_large")
	for i := range 3 {
		of := refused(fmt.Sprint("w", i), "kafka", store.Position(200+i))
		of.Caller = fmt.Sprint("web", i%2)
		r.append(of)
	}
	r.want("kafka 102 row_too_large", "kafka 103 row_too_large", "kafka 200 row_too_large", "kafka 201 row_too_large", "kafka 202 row_too_large")
	if l := r.list(deadletter.Filter{}); l.Unlisted != 2 || l.Open != 5 {
		t.Errorf("%d unlisted, %d open, want 2 and 5", l.Unlisted, l.Open)
	}
	r.append(refused("0", "kafka", 100)) // one that was let go is heard of again
	if l := r.list(deadletter.Filter{EventID: "0"}); l.Matched != 1 {
		t.Errorf("it is not listed: %+v", l)
	}
}

func TestWhatIsNoLongerKeptExpires(t *testing.T) {
	m := &memory{}
	m.Add("a", noon, 0)
	m.AddRecord(refused("a", "kafka", 1), 0)
	m.AddRecord(settled("statsig", 1, daybook.Failed, "forward_failed"), 0)
	m.Add("b", noon, 0)
	index := deadletter.Open(deadletter.Options{Data: t.TempDir(), Source: m, Write: (&destination{}).write})
	for _, want := range []struct{ forget, open, expired int }{{1, 2, 0}, {1, 1, 1}, {1, 0, 2}} {
		m.Forget(want.forget)
		l, err := index.List(t.Context(), deadletter.Filter{})
		if err != nil || l.Open != want.open || l.Expired != uint64(want.expired) {
			t.Errorf("%d open, %d expired, %v, want %+v", l.Open, l.Expired, err, want)
		}
	}
}

// memory is a store in memory, for tests whose clock is not the world's.
type memory struct{ querytest.Memory }

func (m *memory) Append(_ context.Context, records []store.Record) ([]store.Receipt, error) {
	var receipts []store.Receipt
	for _, r := range records {
		receipts = append(receipts, store.Receipt{Status: daybook.Stored, ID: r.Event.ID, Position: m.AddRecord(r, 0)})
	}
	return receipts, nil
}

func TestTheEventIsShownWhereverItIsKept(t *testing.T) {
	r := newRoom(t)
	at := r.append(event("a"), event("b"), event("c"))
	own := refused("never", "", 0)
	own.Event.Time = time.Time{}
	r.append(
		refused("a", "kafka", at[0]),
		withoutEvent(refused("b", "kafka", at[1])),
		settled("statsig", at[2], daybook.Failed, "forward_failed"),
		own,
		withoutEvent(refused("gone", "kafka", 999)),
	)
	for position, want := range map[store.Position]string{at[0]: "a", at[1]: "b", at[2]: "c", 7: "never"} {
		letters, err := r.index.Show(t.Context(), position, "")
		if err != nil || len(letters) != 1 || letters[0].Event == nil || letters[0].Event.Event.ID != want || letters[0].Event.Event.Metadata == nil {
			t.Errorf("position %d: %+v, %v", position, letters, err)
		}
	}
	letters, err := r.index.Show(t.Context(), 999, "")
	if err != nil || len(letters) != 1 || letters[0].Event != nil {
		t.Errorf("an event that is not kept: %+v, %v", letters, err)
	}
	if letters, err := r.index.Show(t.Context(), at[0], "postgres"); err != nil || len(letters) != 0 {
		t.Errorf("of another destination: %+v, %v", letters, err)
	}
	if letters, err := r.index.Show(t.Context(), 12345, ""); err != nil || len(letters) != 0 {
		t.Errorf("of nothing: %+v, %v", letters, err)
	}
}

func TestTheIndexFollowsTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		index := deadletter.Open(deadletter.Options{Data: t.TempDir(), Source: m, Write: (&destination{}).write})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); index.Run(ctx) }()
		open := func() int {
			time.Sleep(2 * time.Second)
			synctest.Wait()
			counts, _ := index.Counts()
			return counts["kafka"]
		}
		m.AddRecord(refused("a", "kafka", 7), 0)
		if n := open(); n != 1 {
			t.Errorf("%d open, want 1", n)
		}
		m.Fail(errors.New("input/output error"))
		m.AddRecord(refused("b", "kafka", 8), 0)
		if n := open(); n != 1 {
			t.Errorf("%d open, want 1 while the store cannot be read", n)
		}
		m.Fail(nil)
		time.Sleep(5 * time.Second)
		if n := open(); n != 2 {
			t.Errorf("%d open, want 2", n)
		}
		stop()
		<-ended
	})
}

func TestAQuestionDoesNotWaitForAnIndexThatIsBeingMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &slow{took: time.Minute}
		m.Page(1)
		for i := range 10 {
			m.AddRecord(refused(fmt.Sprint(i), "kafka", store.Position(100+i)), 0)
		}
		index := deadletter.Open(deadletter.Options{Data: t.TempDir(), Source: m, Write: (&destination{}).write})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); index.Run(ctx) }()
		time.Sleep(3*time.Minute + time.Second)
		l, err := index.List(t.Context(), deadletter.Filter{})
		if err != nil || l.Complete || l.Through != 3 || len(l.Entries) != 3 {
			t.Errorf("%+v, %v, want three and that there may be more", l.Totals, err)
		}
		_, err = index.Retry(t.Context(), deadletter.Filter{All: true}, nil)
		if e, ok := errors.AsType[*daybook.Error](err); !ok || e.Reason != "still_reading" {
			t.Errorf("a retry in between: %v", err)
		}
		time.Sleep(10 * time.Minute)
		if l, err := index.List(t.Context(), deadletter.Filter{}); err != nil || !l.Complete || len(l.Entries) != 10 {
			t.Errorf("later: %+v, %v", l.Totals, err)
		}
		stop()
		<-ended
	})
}

// slow is a store that takes its time.
type slow struct {
	memory
	took time.Duration
}

func (s *slow) ReadKinds(ctx context.Context, after store.Position, most int, kinds ...store.Kind) ([]store.Entry, store.Position, error) {
	select {
	case <-time.After(s.took):
		return s.memory.ReadKinds(ctx, after, most, kinds...)
	case <-ctx.Done():
		return nil, after, ctx.Err()
	}
}

func TestDeadLettersAreFoundAmongManyEvents(t *testing.T) {
	r := newRoomWith(t, journal.Options{Dir: t.TempDir()})
	for i := range 3000 {
		if i%1000 == 0 {
			r.append(refused(fmt.Sprint("d", i), "kafka", store.Position(i+1)))
		}
		if i%100 == 0 {
			batch := make([]store.Record, 100)
			for k := range batch {
				batch[k] = event(fmt.Sprint("e", i, "-", k))
			}
			r.append(batch...)
		}
	}
	r.want("kafka 1 row_too_large", "kafka 1001 row_too_large", "kafka 2001 row_too_large")
	if l := r.list(deadletter.Filter{}); l.Through != 3003 {
		t.Errorf("looked up to %d, want 3003", l.Through)
	}
}
