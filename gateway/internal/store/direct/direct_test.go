package direct_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/direct"
	"daybook.dev/gateway/internal/store/storetest"
)

func TestDirectIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, &destination{}) }, storetest.Traits{OneAppendOnly: true})
}

func open(t *testing.T, d *destination, change ...func(*direct.Options)) *direct.Store {
	t.Helper()
	o := direct.Options{Name: "spanner", Sink: d}
	for _, c := range change {
		c(&o)
	}
	s := direct.Open(o)
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func appendAll(t *testing.T, s *direct.Store, records ...store.Record) []store.Receipt {
	t.Helper()
	receipts, err := s.Append(t.Context(), records)
	if err != nil || len(receipts) != len(records) {
		t.Fatalf("%d receipts, %v", len(receipts), err)
	}
	return receipts
}

func TestADestinationGetsTheEventWithItsOrigin(t *testing.T) {
	d := &destination{}
	r := storetest.Event("checkout", "e-1")
	r.Scope = "publisher"
	appendAll(t, open(t, d), r)
	want := r.Outgoing()
	if got := d.writes[0][0]; !reflect.DeepEqual(got, want) || got.Origin.Scope != "publisher" || got.Origin.Caller != "checkout" {
		t.Errorf("got %+v from %+v", got, got.Origin)
	}
}

func TestNobodyIsAnsweredBeforeTheDestinationHasConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		confirm := make(chan struct{})
		d := &destination{answer: func(context.Context, []daybook.Event) error { <-confirm; return nil }}
		s := open(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan []store.Receipt, 1)
		go func() {
			receipts, _ := s.Append(ctx, storetest.Events("a", 2))
			answered <- receipts
		}()
		synctest.Wait()
		cancel() // the caller goes away: its events are the destination's all the same
		synctest.Wait()
		select {
		case r := <-answered:
			t.Fatalf("answered %+v before the destination", r)
		default:
		}
		close(confirm)
		if r := <-answered; len(r) != 2 || r[0].Status != daybook.Stored || r[1].Status != daybook.Stored {
			t.Errorf("receipts %+v", r)
		}
	})
}

func TestWhatWaitsGoesInOneWriteAndNothingWaitsForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan struct{})
		d := &destination{answer: func(context.Context, []daybook.Event) error { <-turn; return nil }}
		s := open(t, d, func(o *direct.Options) { o.Writes = 1 })
		var callers sync.WaitGroup
		for n := range 20 {
			callers.Go(func() { appendAll(t, s, storetest.Events(fmt.Sprint(n), 3)...) })
			synctest.Wait()
		}
		if got := d.sizes(); !slices.Equal(got, []int{3}) {
			t.Fatalf("while the first write is under way there are writes of %v", got)
		}
		turn <- struct{}{}
		synctest.Wait()
		if got := d.sizes(); !slices.Equal(got, []int{3, 57}) {
			t.Errorf("writes of %v, want the 19 others in one", got)
		}
		turn <- struct{}{}
		callers.Wait()
	})
}

func TestAWriteHasNoMoreEventsAndBytesThanItMay(t *testing.T) {
	d := &destination{}
	s := open(t, d, func(o *direct.Options) { o.Writes, o.MaxEvents = 1, 4 })
	appendAll(t, s, storetest.Events("a", 10)...)
	if got := d.sizes(); !slices.Equal(got, []int{4, 4, 2}) {
		t.Errorf("writes of %v", got)
	}

	d = &destination{}
	s = open(t, d, func(o *direct.Options) { o.Writes, o.MaxBytes = 1, 2000 })
	records := storetest.Events("b", 5)
	records[2].Event.Metadata = []byte(`{"large":"` + strings.Repeat("x", 4000) + `"}`)
	appendAll(t, s, records...)
	if got := d.sizes(); !slices.Equal(got, []int{2, 1, 2}) {
		t.Errorf("writes of %v, want the large one alone", got)
	}
}

func TestOneIDIsOnceInAWrite(t *testing.T) {
	d := &destination{}
	s := open(t, d, func(o *direct.Options) { o.Writes = 1 })
	other := storetest.Event("b", "x")
	conflict := storetest.Event("a", "x")
	conflict.Digest[0]++
	receipts := appendAll(t, s, storetest.Event("a", "x"), storetest.Event("a", "x"), conflict, storetest.Event("a", "y"), other, storetest.Event("b", "y"), storetest.Event("a", "z"))
	want := []daybook.Status{daybook.Stored, daybook.Duplicate, daybook.Refused, daybook.Stored, daybook.Stored, daybook.Stored, daybook.Stored}
	for i := range want {
		if receipts[i].Status != want[i] {
			t.Errorf("receipt %d: %+v, want %v", i, receipts[i], want[i])
		}
	}
	if got, want := d.ids(), [][]string{{"x", "y"}, {"x", "y", "z"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("written %v, want %v", got, want)
	}
}

func TestACopyOfWhatWasNotStoredIsNoDuplicate(t *testing.T) {
	d := &destination{answer: func(context.Context, []daybook.Event) error { return errors.New("down") }}
	for _, r := range appendAll(t, open(t, d), storetest.Event("a", "x"), storetest.Event("a", "x")) {
		if r.Status != daybook.Failed {
			t.Errorf("receipt %+v", r)
		}
	}
}

func TestEachClassOfErrorHasItsReceipt(t *testing.T) {
	secret := errors.New("key k-123 is wrong")
	for name, test := range map[string]struct {
		err    error
		status daybook.Status
		code   daybook.Code
		reason string
	}{
		"a number it cannot hold": {&daybook.Error{Code: daybook.Invalid, Field: "metadata.n", Reason: "number_out_of_range", Message: "metadata.n is out of range", Err: secret}, daybook.Refused, daybook.Invalid, "number_out_of_range"},
		"too large a row":         {&daybook.Error{Code: daybook.TooLarge, Err: secret}, daybook.Refused, daybook.Invalid, "refused_by_store"},
		"another row":             {&daybook.Error{Code: daybook.Conflict, Reason: "id_conflict", Err: secret}, daybook.Refused, daybook.Conflict, "id_conflict"},
		"a wrong key":             {&daybook.Error{Code: daybook.Unauthenticated, Reason: "bad_key", Message: "no such key", Err: secret}, daybook.Failed, daybook.Unavailable, "store_failed"},
		"no right":                {&daybook.Error{Code: daybook.Denied, Err: secret}, daybook.Failed, daybook.Unavailable, "store_failed"},
		"no table":                {&daybook.Error{Code: daybook.Unimplemented, Err: secret}, daybook.Failed, daybook.Unavailable, "store_failed"},
		"too fast":                {&daybook.Error{Code: daybook.Exhausted, RetryAfter: time.Minute, Err: secret}, daybook.Failed, daybook.Exhausted, "store_throttled"},
		"down":                    {&daybook.Error{Code: daybook.Unavailable, Err: secret}, daybook.Failed, daybook.Unavailable, "store_failed"},
		"something else":          {secret, daybook.Failed, daybook.Unavailable, "store_failed"},
		"closed":                  {daybook.ErrClosed, daybook.Failed, daybook.Unavailable, "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &destination{answer: func(context.Context, []daybook.Event) error { return test.err }}
			r := appendAll(t, open(t, d), storetest.Event("a", "x"))[0]
			e, ok := errors.AsType[*daybook.Error](r.Err)
			if !ok || r.Status != test.status || r.ID != "x" || e.Code != test.code || e.Reason != test.reason {
				t.Fatalf("receipt %+v, error %+v", r, e)
			}
			if e.Message == "" || strings.Contains(e.Message, "key") || !errors.Is(r.Err, test.err) {
				t.Errorf("the caller reads %q of %v", e.Message, r.Err)
			}
			if e.Code == daybook.Exhausted && e.RetryAfter != time.Minute {
				t.Errorf("retry after %v", e.RetryAfter)
			}
		})
	}
}

func TestAPartialErrorIsAboutTheEventsItNames(t *testing.T) {
	bad := &daybook.Error{Code: daybook.Invalid, Reason: "number_out_of_range", Message: "out of range"}
	d := &destination{answer: func(context.Context, []daybook.Event) error {
		return &daybook.PartialError{Failed: []daybook.Outcome{
			{ID: "a-1", Status: daybook.Refused, Err: bad},
			{ID: "a-3", Status: daybook.Failed},
			{ID: "a-4", Status: daybook.Refused, Reason: "bad_row"},
		}}
	}}
	receipts := appendAll(t, open(t, d), storetest.Events("a", 5)...)
	for i, want := range []daybook.Status{daybook.Stored, daybook.Refused, daybook.Stored, daybook.Failed, daybook.Refused} {
		if receipts[i].Status != want {
			t.Errorf("receipt %d: %+v, want %v", i, receipts[i], want)
		}
	}
	if sizes := d.sizes(); len(sizes) != 1 {
		t.Errorf("written again: %v", sizes)
	}
}

func TestAPartialErrorAboutOtherEventsIsNotBelieved(t *testing.T) {
	for _, partial := range []*daybook.PartialError{{}, {Failed: []daybook.Outcome{{ID: "elsewhere"}, {ID: "a-0"}}}} {
		d := &destination{answer: func(context.Context, []daybook.Event) error { return partial }}
		for _, r := range appendAll(t, open(t, d), storetest.Events("a", 2)...) {
			if r.Status != daybook.Failed {
				t.Errorf("%+v: receipt %+v", partial, r)
			}
		}
	}
}

func TestAnEventThatIsRefusedForGoodIsFoundByHalving(t *testing.T) {
	bad := map[string]bool{"a-3": true, "a-17": true}
	d := &destination{answer: func(_ context.Context, events []daybook.Event) error {
		for i := range events {
			if bad[events[i].ID] {
				return &daybook.Error{Code: daybook.Invalid, Reason: "bad_row", Message: "a row is bad"}
			}
		}
		return nil
	}}
	for _, r := range appendAll(t, open(t, d), storetest.Events("a", 32)...) {
		if (r.Status == daybook.Refused) != bad[r.ID] || !bad[r.ID] && r.Status != daybook.Stored {
			t.Errorf("receipt %+v", r)
		}
	}
	if n := len(d.sizes()); n > 1+2*2*5 {
		t.Errorf("%d writes to find two of 32", n)
	}
}

func TestADestinationThatPanicsFailsItsEventsOnly(t *testing.T) {
	first := true
	d := &destination{answer: func(context.Context, []daybook.Event) error {
		if first {
			first = false
			panic("a bug")
		}
		return nil
	}}
	s := open(t, d, func(o *direct.Options) { o.Writes = 1 })
	if r := appendAll(t, s, storetest.Event("a", "x"))[0]; r.Status != daybook.Failed {
		t.Errorf("receipt %+v", r)
	}
	if r := appendAll(t, s, storetest.Event("a", "x"))[0]; r.Status != daybook.Stored {
		t.Errorf("receipt %+v", r)
	}
}

func TestAHangingDestinationKeepsNobodyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &destination{answer: func(ctx context.Context, _ []daybook.Event) error { <-ctx.Done(); return ctx.Err() }}
		s := open(t, d, func(o *direct.Options) { o.Writes, o.Within, o.QueueBytes = 1, 5*time.Second, 2000 })
		began := time.Now()
		var callers sync.WaitGroup
		overloaded := 0
		var mu sync.Mutex
		for n := range 20 {
			callers.Go(func() {
				receipts, err := s.Append(t.Context(), []store.Record{storetest.Event("a", fmt.Sprint(n))})
				if e, ok := errors.AsType[*daybook.Error](err); ok {
					if e.Code != daybook.Exhausted || e.Reason != "store_overloaded" || e.RetryAfter == 0 {
						t.Errorf("refused with %+v", e)
					}
					mu.Lock()
					defer mu.Unlock()
					overloaded++
					return
				}
				if e, ok := errors.AsType[*daybook.Error](receipts[0].Err); !ok || receipts[0].Status != daybook.Failed || e.Reason != "store_slow" {
					t.Errorf("receipt %+v", receipts[0])
				}
			})
			synctest.Wait()
		}
		callers.Wait()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("somebody waited %v", took)
		}
		if overloaded == 0 || overloaded == 20 {
			t.Errorf("%d of 20 were refused at once", overloaded)
		}
	})
}

func TestAnEventThatHasWaitedTooLongIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &destination{answer: func(ctx context.Context, _ []daybook.Event) error {
			<-ctx.Done()
			time.Sleep(time.Second) // and some more: the sink cleans up
			return ctx.Err()
		}}
		s := open(t, d, func(o *direct.Options) { o.Writes, o.Within = 1, 5*time.Second })
		var callers sync.WaitGroup
		for n := range 2 {
			callers.Go(func() {
				if r := appendAll(t, s, storetest.Event("a", fmt.Sprint(n)))[0]; r.Status != daybook.Failed {
					t.Errorf("receipt %+v", r)
				}
			})
			synctest.Wait()
		}
		callers.Wait()
		if got := d.ids(); len(got) != 1 {
			t.Errorf("written %v, want only the first", got)
		}
	})
}

func TestReadyIsTheLastWriteOrACheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down error
		checks := 0
		d := &destination{answer: func(context.Context, []daybook.Event) error { return down }}
		s := open(t, d, func(o *direct.Options) {
			o.Check = func(context.Context) error { checks++; return down }
		})
		expect := func(ready bool, want int) {
			t.Helper()
			if err := s.Ready(t.Context()); (err == nil) != ready || checks != want {
				t.Fatalf("ready: %v after %d checks, want %v after %d", err, checks, ready, want)
			}
		}
		expect(true, 1)
		expect(true, 1) // the answer holds for two seconds
		down = errors.New("down")
		time.Sleep(2 * time.Second)
		expect(false, 2)
		down = nil
		appendAll(t, s, storetest.Event("a", "x"))
		expect(true, 2) // a write has shown it
		down = &daybook.Error{Code: daybook.Invalid}
		appendAll(t, s, storetest.Event("a", "x"))
		expect(true, 2) // a bad event says nothing about the destination
		down = &daybook.Error{Code: daybook.Exhausted}
		appendAll(t, s, storetest.Event("a", "x"))
		expect(true, 2) // nor does it being busy
		down = &daybook.Error{Code: daybook.Denied}
		appendAll(t, s, storetest.Event("a", "x"))
		expect(false, 2)
	})
}

func TestWithoutACheckAStoreThatFailedIsReadyAgainAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &destination{answer: func(context.Context, []daybook.Event) error { return errors.New("down") }}
		s := open(t, d)
		appendAll(t, s, storetest.Event("a", "x"))
		if err := s.Ready(t.Context()); err == nil {
			t.Error("ready right after a failed write")
		}
		time.Sleep(2 * time.Second)
		if err := s.Ready(t.Context()); err != nil {
			t.Errorf("%v: nobody would send the event that shows it works again", err)
		}
	})
}

func TestACheckThatHangsHangsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, &destination{}, func(o *direct.Options) {
			o.Check = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Ready(ctx); daybook.CodeOf(err) != daybook.Unavailable {
			t.Errorf("ready: %v", err)
		}
	})
}

func TestCloseWritesWhatWaitsAndCancelsWhatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan struct{}, 1)
		d := &destination{answer: func(ctx context.Context, _ []daybook.Event) error {
			select {
			case <-turn:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		s := open(t, d, func(o *direct.Options) { o.Writes, o.MaxEvents = 1, 1 })
		receipts := make([]store.Receipt, 3)
		var callers sync.WaitGroup
		for n := range receipts {
			callers.Go(func() { receipts[n] = appendAll(t, s, storetest.Event("a", fmt.Sprint(n)))[0] })
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		turn <- struct{}{}
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
		callers.Wait()
		for n, want := range []daybook.Status{daybook.Stored, daybook.Failed, daybook.Failed} {
			if receipts[n].Status != want {
				t.Errorf("receipt %d: %+v, want %v", n, receipts[n], want)
			}
		}
		if got := d.ids(); len(got) != 2 {
			t.Errorf("written %v: the third must not be tried when time is up", got)
		}
	})
}

func TestAnEventThatWasSetAsideGoesToTheDeadLetters(t *testing.T) {
	letter := storetest.Event("a", "x")
	letter.Kind, letter.Event.Metadata = store.KindRefused, []byte(`{"n":1.50}`)
	letter.Refusal = &store.Refusal{Code: daybook.Invalid, Reason: "blank_name", Field: "event_name", Message: "event_name is blank"}
	bare, torn := letter, letter
	bare.Event.ID, bare.Event.Metadata, bare.Refusal = "y", nil, nil
	torn.Event.ID, torn.Event.Metadata = "z", []byte(`{"n":`)
	torn.Refusal = &store.Refusal{Destination: "statsig", Attempts: 3, Code: daybook.Invalid}

	events, letters := &destination{}, &destination{}
	s := open(t, events, func(o *direct.Options) { o.DeadLetters, o.Writes = letters, 1 })
	for _, r := range appendAll(t, s, storetest.Event("a", "x"), letter, bare, torn) {
		if r.Status != daybook.Stored {
			t.Errorf("receipt %+v", r)
		}
	}
	if len(events.ids()) != 1 || len(letters.ids()) != 1 {
		t.Fatalf("events %v, letters %v", events.ids(), letters.ids())
	}
	for i, want := range []string{
		`{"refusal":{"code":"invalid","reason":"blank_name","field":"event_name","message":"event_name is blank"},"metadata":{"n":1.50}}`,
		`{"refusal":{"code":"internal"},"metadata":null}`,
		`{"refusal":{"code":"invalid","destination":"statsig","attempts":3},"metadata":"{\"n\":"}`,
	} {
		if got := letters.writes[0][i]; string(got.Metadata) != want || got.Name != "login-success" || got.Origin == nil {
			t.Errorf("letter %d: %s\nwant %s", i, got.Metadata, want)
		}
	}
}

func TestTwoLettersAboutOneEventAreBothWritten(t *testing.T) {
	letter := storetest.Event("a", "x")
	letter.Kind, letter.Refusal = store.KindRefused, &store.Refusal{Destination: "statsig"}
	other := letter
	other.Refusal = &store.Refusal{Destination: "kafka"}
	letters := &destination{}
	appendAll(t, open(t, &destination{}, func(o *direct.Options) { o.DeadLetters = letters }), letter, other)
	if got := letters.ids(); len(got) != 2 {
		t.Errorf("written %v", got)
	}
}

func TestWithoutAPlaceForThemDeadLettersFail(t *testing.T) {
	letter := storetest.Event("a", "x")
	letter.Kind = store.KindRefused
	if r := appendAll(t, open(t, &destination{}), letter)[0]; r.Status != daybook.Failed || daybook.CodeOf(r.Err) != daybook.Internal {
		t.Errorf("receipt %+v", r)
	}
}

// The metadata belongs to whoever appends again as soon as it is answered.
func TestNothingIsKeptAfterTheAnswer(t *testing.T) {
	d := &destination{}
	s := open(t, d)
	r := storetest.Event("a", "x")
	before := string(r.Event.Metadata)
	appendAll(t, s, r)
	clear(r.Event.Metadata)
	appendAll(t, s, storetest.Event("a", "y"))
	if got := string(d.bytes); got != before+before {
		t.Errorf("written %s", got)
	}
}
