package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/ledger"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

func TestEveryOutcomeIsInTheAccountOfItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, waltest.NewDisk(1))
		g.send("checkout", "a", "b", "a", "!c")
		g.send("search", "a")
		g.ledger.Observe("search", []daybook.Outcome{{Status: daybook.Dropped}, {Status: daybook.Failed}})
		want := []ledger.Caller{
			{Caller: "checkout", Received: 4, Stored: 2, Duplicate: 1, Refused: 1},
			{Caller: "search", Received: 3, Stored: 1, Dropped: 1, Failed: 1},
		}
		r := g.report()
		if !slices.Equal(r.Callers, want) || r.Imbalance != 0 {
			t.Errorf("%+v", r)
		}
		if got := g.ledger.Callers(); !slices.Equal(got, []string{"checkout", "search"}) {
			t.Errorf("callers %v", got)
		}
		g.stop()

		g = start(t, g.disk.Restart(waltest.Everything))
		g.send("checkout", "b", "z")
		want[0] = ledger.Caller{Caller: "checkout", Received: 6, Stored: 3, Duplicate: 2, Refused: 1}
		if r := g.report(); !slices.Equal(r.Callers, want) || r.Imbalance != 0 {
			t.Errorf("after a restart %+v", r)
		}
		g.stop()
	})
}

func TestAKillLosesOnlyWhatTheLastSecondDidNotStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, waltest.NewDisk(1))
		g.send("c", "a", "!b")
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		g.send("c", "d", "!e", "a") // no summary has these
		g = start(t, g.kill(waltest.Nothing))
		if got, want := of(g.report(), "c"), (ledger.Caller{Caller: "c", Received: 3, Stored: 2, Refused: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		g.stop()
	})
}

func TestSummariesAreFewAndOnlyWhereSomethingChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, waltest.NewDisk(1))
		time.Sleep(10 * time.Minute)
		if n := g.summaries(); n != 0 {
			t.Fatalf("%d summaries of nothing", n)
		}
		g.stop()
		g = start(t, g.disk.Restart(waltest.Everything))
		g.send("c", "first")
		time.Sleep(30 * time.Second)
		if n := g.summaries(); n != 0 {
			t.Fatalf("%d summaries right after a start: an event that is stored needs none", n)
		}
		for i := range 100 {
			g.send("c", fmt.Sprintf("!%d", i))
			time.Sleep(100 * time.Millisecond)
		}
		if n := g.summaries(); n < 9 || n > 12 {
			t.Errorf("%d summaries in ten seconds", n)
		}
		time.Sleep(2 * time.Second)
		before := g.summaries()
		g.send("c", "stored")
		time.Sleep(30 * time.Second)
		if n := g.summaries(); n != before {
			t.Errorf("%d summaries, %d before: an event that is stored needs none", n, before)
		}
		time.Sleep(time.Hour)
		if n := g.summaries(); n != before+1 {
			t.Errorf("%d summaries in an hour after one event, want one, which saves reading it again", n-before)
		}
		g.stop()
		if err := g.ledger.Close(t.Context()); err != nil {
			t.Errorf("closed again: %v", err)
		}
	})
}

func TestEventsOfBeforeThereWasALedgerAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, waltest.NewDisk(1))
		if err := g.ledger.Close(t.Context()); err != nil { // nobody keeps the account
			t.Fatal(err)
		}
		for i := range 30 {
			g.send(fmt.Sprintf("caller-%d", i%3), ids(fmt.Sprint(i), 100)...)
		}
		g = start(t, g.kill(waltest.Nothing))
		r := g.report()
		for i := range 3 {
			if got := of(r, fmt.Sprintf("caller-%d", i)); got.Stored != 1000 || got.Received != 1000 {
				t.Errorf("%+v", got)
			}
		}
		if r.Imbalance != 0 {
			t.Errorf("imbalance %d", r.Imbalance)
		}
		g.stop()
	})
}

func TestEventsThatAreGoneUncountedAreSomebodys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		small := func(o *journal.Options, _ *ledger.Options) {
			o.ChunkBytes, o.Keep = wal.DataStart+2000, time.Hour
		}
		g := start(t, waltest.NewDisk(1), small)
		if err := g.ledger.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			g.send("c", ids(fmt.Sprint(i), 2)...)
			time.Sleep(10 * time.Minute)
		}
		kept := g.there()["c"]
		if kept == 0 || kept == 100 {
			t.Fatalf("%d of 100 events are kept: this test is about some", kept)
		}
		g = start(t, g.kill(waltest.Everything), small)
		r := g.report()
		if of(r, "c").Stored != kept || of(r, ledger.Unknown).Stored != 100-kept || r.Imbalance != 0 {
			t.Errorf("%+v, %d events are kept", r, kept)
		}
		g.stop()
	})
}

func TestTheAccountOutlivesTheEventsAndSummariesItIsAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		small := func(o *journal.Options, _ *ledger.Options) {
			o.ChunkBytes, o.Keep = wal.DataStart+2000, time.Hour
		}
		g := start(t, waltest.NewDisk(1), small)
		g.send("c", ids("a", 10)...)
		g.send("c", "!r")
		for i := range 30 {
			g.send("d", ids(fmt.Sprint(i), 2)...)
			time.Sleep(10 * time.Minute)
		}
		if kept := g.there()["c"]; kept != 0 {
			t.Fatalf("%d events are kept: this test is about none", kept)
		}
		time.Sleep(100 * time.Hour) // nothing happens
		g = start(t, g.kill(waltest.Everything), small)
		if got, want := of(g.report(), "c"), (ledger.Caller{Caller: "c", Received: 11, Stored: 10, Refused: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		g.stop()
	})
}

func TestMoreCallersThanAnyoneHasShareAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, waltest.NewDisk(1))
		for i := range 1200 {
			g.send(fmt.Sprintf("caller-%04d", i), fmt.Sprint(i), fmt.Sprint("!", i))
		}
		check := func() {
			t.Helper()
			r := g.report()
			var stored, refused uint64
			for _, c := range r.Callers {
				stored, refused = stored+c.Stored, refused+c.Refused
			}
			if others := of(r, ledger.Others); len(r.Callers) != 1001 || stored != 1200 || refused != 1200 || others.Stored != 200 || others.Refused != 200 || r.Imbalance != 0 {
				t.Errorf("%d accounts, %d stored, %d refused, others %+v, imbalance %d", len(r.Callers), stored, refused, others, r.Imbalance)
			}
		}
		check()
		before := g.summaries()
		for i := range 60 {
			g.send("caller-0000", fmt.Sprint("!again", i))
			time.Sleep(time.Second)
		}
		if n := g.summaries() - before; n < 5 || n > 20 {
			t.Errorf("%d summaries of a thousand callers in a minute", n)
		}
		g.stop()
		g = start(t, g.disk.Restart(waltest.Everything))
		r := g.report()
		if got := of(r, "caller-0000"); len(r.Callers) != 1001 || got.Refused != 61 || of(r, ledger.Others).Refused != 200 {
			t.Errorf("after a restart %d accounts, %+v", len(r.Callers), got)
		}
		g.stop()
	})
}

func TestAnImbalanceIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var destinations []ledger.Destination
		g := start(t, waltest.NewDisk(1), func(_ *journal.Options, o *ledger.Options) {
			o.Destinations = func() []ledger.Destination { return slices.Clone(destinations) }
		})
		expect := func(want uint64, why string) {
			t.Helper()
			if got := g.report().Imbalance; got != want {
				t.Errorf("imbalance %d, want %d: %s", got, want, why)
			}
		}
		g.send("c", "a", "!b")
		destinations = []ledger.Destination{{Destination: "d", Stored: 9, Delivered: 1, Queued: 1, Dead: 2, Filtered: 2, Evicted: 3}}
		expect(0, "all is well")
		destinations[0].Queued = 0
		expect(1, "a destination lacks one")
		destinations = nil

		if _, err := g.journal.Append(t.Context(), storetest.Events("x", 3)); err != nil {
			t.Fatal(err)
		}
		expect(0, "three events are stored and their caller is about to be told")
		time.Sleep(3 * time.Minute)
		expect(3, "three events are stored and nobody was told")

		g.ledger.Observe("c", []daybook.Outcome{{Status: daybook.Stored}, {Status: daybook.Stored}})
		expect(3+2, "a caller was told stored of two events that are not there")
		g.ledger.Observe("c", []daybook.Outcome{{}})
		expect(3+2+1, "nobody knows what became of an event")
		g.stop()
	})
}

func TestWhileEventsArriveTheAccountIsInBalance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, waltest.NewDisk(1))
		ctx, cancel := context.WithCancel(t.Context())
		var senders sync.WaitGroup
		for s := range 4 {
			senders.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					g.send(fmt.Sprintf("caller-%d", s%2), fmt.Sprintf("%d-%d", s, i), "!x", fmt.Sprintf("%d-%d", s, i/2))
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		for range 200 {
			time.Sleep(999 * time.Millisecond)
			if r := g.ledger.Report(); r.Imbalance != 0 {
				t.Fatalf("%+v", r)
			}
		}
		cancel()
		senders.Wait()
		g.stop()
	})
}

func TestAStoreThatTakesNoSummaryIsReportedOnceAndTheCountsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, waltest.NewDisk(1))
		g.send("c", "a")
		g.disk.Fail(func(op waltest.Operation) error {
			if op.Kind == waltest.Write || op.Kind == waltest.Sync {
				return syscall.EIO
			}
			return nil
		})
		g.send("c", "b", "!r")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if len(g.failed) != 1 || daybook.CodeOf(g.failed[0]) != daybook.Unavailable {
			t.Errorf("reported %v", g.failed)
		}
		g.disk.Fail(nil)
		time.Sleep(20 * time.Second)
		g = start(t, g.kill(waltest.Nothing))
		if got, want := of(g.report(), "c"), (ledger.Caller{Caller: "c", Received: 3, Stored: 1, Refused: 1, Failed: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		g.stop()
	})
}

func TestWhatIsCountedWhileASummaryIsWrittenIsInTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g *gateway
		during := 0
		g = start(t, waltest.NewDisk(1), over(&wrapped{append: func([]store.Record) {
			if during++; during == 1 {
				g.ledger.Observe("c", []daybook.Outcome{{Status: daybook.Refused}})
			}
		}}))
		g.ledger.Observe("c", []daybook.Outcome{{Status: daybook.Refused}})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		g = start(t, g.kill(waltest.Nothing))
		if got := of(g.report(), "c"); got.Refused != 2 {
			t.Errorf("%+v", got)
		}
		g.stop()
	})
}

func TestARecountThatIsCutOffGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, waltest.NewDisk(1))
		_ = g.ledger.Close(t.Context())
		g.send("c", ids("a", 100)...)
		// From half of the way on it cannot be read.
		g = start(t, g.kill(waltest.Nothing), over(&wrapped{readKinds: func(after store.Position) error {
			if after >= 50 && after < 100 {
				return errors.New("no")
			}
			return nil
		}}))
		g.send("c", "new", "!refused")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if r := g.ledger.Report(); !r.Counting || of(r, "c").Stored != 51 || g.summaries() == 0 {
			t.Errorf("%+v, %d summaries", r, g.summaries())
		}
		g = start(t, g.kill(waltest.Nothing))
		if got := of(g.report(), "c"); got.Stored != 101 || got.Refused != 1 || g.ledger.Report().Imbalance != 0 {
			t.Errorf("%+v", g.ledger.Report())
		}
		g.stop()
	})
}

func TestASummaryThatIsNoLongerKeptIsWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		g := start(t, waltest.NewDisk(1), over(&wrapped{
			append: func([]store.Record) { gone.Store(false) },
			bounds: func(oldest, newest store.Position) (store.Position, store.Position) {
				if gone.Load() {
					return newest + 1, newest
				}
				return oldest, newest
			},
		}))
		g.ledger.Observe("c", []daybook.Outcome{{Status: daybook.Refused}})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		before := g.summaries()
		gone.Store(true)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := g.summaries(); n != before+1 {
			t.Errorf("%d summaries, %d before", n, before)
		}
		g.stop()
	})
}

func TestTheLastSummaryIsFoundHoweverFarBackItIs(t *testing.T) {
	for _, behind := range []int{0, 1, 1022, 1023, 1024, 1025, 5118, 5119, 5120, 5121} {
		synctest.Test(t, func(t *testing.T) {
			g := start(t, waltest.NewDisk(1))
			g.send("c", "!a")
			g.stop() // one summary
			g = start(t, g.disk.Restart(waltest.Everything))
			_ = g.ledger.Close(t.Context())
			if behind > 0 {
				g.send("c", ids("a", behind)...)
			}
			g = start(t, g.kill(waltest.Nothing))
			if got := of(g.report(), "c"); got.Refused != 1 || got.Stored != uint64(behind) {
				t.Errorf("with %d events behind it: %+v", behind, got)
			}
			g.stop()
		})
	}
}

func TestNothingIsWrittenOnTopOfAnAccountThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, waltest.NewDisk(1))
		g.send("c", "a", "!b")
		g.stop()
		g = start(t, g.disk.Restart(waltest.Everything), over(unreadable()))
		before := g.summaries()
		g.send("c", "!c")
		time.Sleep(time.Minute)
		synctest.Wait()
		if r := g.ledger.Report(); !r.Counting {
			t.Error("it does not say that it is incomplete")
		}
		if err := g.ledger.Close(t.Context()); err == nil {
			t.Error("closed as if all were written")
		}
		g = start(t, g.kill(waltest.Nothing))
		if n := g.summaries(); n != before {
			t.Errorf("%d summaries, %d before", n, before)
		}
		if got := of(g.report(), "c"); got.Stored != 1 || got.Refused != 1 {
			t.Errorf("%+v", got)
		}
		g.stop()
	})
}

func TestAStoreThatCannotBeReadIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, waltest.NewDisk(1))
		g.send("c", "a")
		g = start(t, g.kill(waltest.Nothing), over(unreadable()))
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(g.failed) != 1 {
			t.Errorf("reported %v", g.failed)
		}
		g.kill(waltest.Nothing)
	})
}

// A batch of one event is counted for each request.
func BenchmarkObserveNoAlloc(b *testing.B) {
	j, err := journal.Open(b.Context(), journal.Options{Dir: "/data", FS: waltest.NewDisk(1)})
	if err != nil {
		b.Fatal(err)
	}
	l := ledger.Open(ledger.Options{Store: j})
	outcomes := []daybook.Outcome{{Status: daybook.Stored}}
	b.ReportAllocs()
	for b.Loop() {
		l.Observe("checkout", outcomes)
	}
	_ = l.Close(context.Background())
	_ = j.Close(context.Background())
}
