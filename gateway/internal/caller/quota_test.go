package caller_test

import (
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
)

// limited is the registry of one caller with a quota, and what it proves itself
// with.
func limited(t *testing.T, q caller.Quota) (*caller.Registry, func() (caller.Caller, *daybook.Error)) {
	t.Helper()
	r := registry(t, quoted(q))
	return r, func() (caller.Caller, *daybook.Error) { return r.Authenticate("http", request("Bearer "+checkoutKey)) }
}

func quoted(q caller.Quota) caller.Config {
	return caller.Config{Rows: []caller.Row{{Name: "checkout", Keys: []caller.Hash{hash(checkoutKey)}, Quota: q}}}
}

func enter(t *testing.T, in func() (caller.Caller, *daybook.Error)) caller.Caller {
	t.Helper()
	who, err := in()
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func TestAQuotaLetsInItsBurstAndThenItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, in := limited(t, caller.Quota{Events: 10, Burst: 2 * time.Second})
		who := enter(t, in)
		for range 20 {
			if err := who.Take(1, 100); err != nil {
				t.Fatalf("within the burst: %v", err)
			}
		}
		err := who.Take(1, 100)
		if err == nil || err.Code != daybook.Exhausted || err.Reason != caller.ReasonQuota || err.RetryAfter <= 0 || err.RetryAfter > 100*time.Millisecond {
			t.Fatalf("after the burst: %+v", err)
		}
		if _, early := in(); early == nil || early.Reason != caller.ReasonQuota {
			t.Errorf("the body of a request is read although its quota is used up: %v", early)
		}
		time.Sleep(err.RetryAfter)
		if err := enter(t, in).Take(1, 100); err != nil {
			t.Errorf("after the wait that was asked for: %v", err)
		}
	})
}

func TestABatchBeyondTheBurstIsLetInAndPaidFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, in := limited(t, caller.Quota{Events: 10, Burst: time.Second})
		if err := enter(t, in).Take(100, 0); err != nil {
			t.Fatalf("a large batch never gets in: %v", err)
		}
		_, err := in()
		if err == nil || err.RetryAfter < 9*time.Second || err.RetryAfter > 9100*time.Millisecond+time.Millisecond {
			t.Fatalf("100 events at 10 a second, of which 10 were saved: wait %v", err)
		}
		time.Sleep(err.RetryAfter)
		if err := enter(t, in).Take(1, 0); err != nil {
			t.Errorf("paid for, and refused: %v", err)
		}
		time.Sleep(time.Hour)
		who := enter(t, in)
		if err := who.Take(10, 0); err != nil {
			t.Errorf("an hour later: %v", err)
		}
		if err := who.Take(1, 0); err == nil {
			t.Error("a large batch has made the burst larger")
		}
	})
}

// Of two requests at the same time the one that looked at the clock first may be
// counted last.
func TestTimeIsEarnedOnceHoweverRequestsOvertakeEachOther(t *testing.T) {
	begin := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	now := begin
	r, err := caller.New(quoted(caller.Quota{Events: 10, Burst: time.Second}), caller.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	who := enter(t, func() (caller.Caller, *daybook.Error) { return r.Authenticate("http", request("Bearer "+checkoutKey)) })
	for _, step := range []struct {
		at     time.Duration
		events int
		left   string
	}{{0, 10, "none"}, {time.Second, 5, "5"}, {0, 1, "4"}, {time.Second, 5, "one is owed"}} {
		now = begin.Add(step.at)
		if err := who.Take(step.events, 0); err != nil {
			t.Fatalf("until %s left: %v", step.left, err)
		}
	}
	if err := who.Take(1, 0); err == nil {
		t.Error("a second was earned twice")
	}
}

func TestBytesCountLikeEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, in := limited(t, caller.Quota{Events: 1000, Bytes: 1 << 10, Burst: time.Second})
		who := enter(t, in)
		if err := who.Take(1, 1<<20); err != nil {
			t.Fatal(err)
		}
		if err := who.Take(1, 1); err == nil || err.RetryAfter < time.Second<<9 {
			t.Errorf("1 MiB at 1 KiB a second: %v", err)
		}
	})
}

func TestWhatIsLeftOfAQuotaSurvivesAnotherConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, in := limited(t, caller.Quota{Events: 10, Burst: time.Second})
		if err := enter(t, in).Take(30, 0); err != nil {
			t.Fatal(err)
		}
		reload := func(c caller.Config) {
			apply, err := r.Prepare(c)
			if err != nil {
				t.Fatal(err)
			}
			apply()
		}
		reload(quoted(caller.Quota{Events: 10, Burst: time.Second}))
		if _, err := in(); err == nil {
			t.Fatal("a reload pays what a caller owes")
		}
		reload(quoted(caller.Quota{Events: 1000}))
		_, err := in()
		if err == nil || err.RetryAfter > 30*time.Millisecond {
			t.Errorf("20 events are owed, at a thousand a second from now on: wait %v", err)
		}
		reload(quoted(caller.Quota{}))
		if err := enter(t, in).Take(1<<20, 1<<30); err != nil {
			t.Errorf("without a quota: %v", err)
		}
	})
}

func TestACallerWithoutAQuotaSendsWhatItLikes(t *testing.T) {
	for name, who := range map[string]caller.Caller{"nobody": {}, "anonymous": caller.Anonymous} {
		if err := who.Take(1<<30, 1<<40); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
