package journal_test

import (
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// small is a journal of chunks with three or four events each.
func small(t *testing.T) journal.Options {
	t.Helper()
	return journal.Options{Dir: t.TempDir(), ChunkBytes: wal.DataStart + 1000}
}

// smallRoom is how many bytes n chunks of small take, about.
func smallRoom(n int64) int64 { return n * (wal.DataStart + 1000) }

// appendEach appends n events one after the other, so that they spread over chunks,
// and gives the keeper time to look.
func appendEach(t *testing.T, j *journal.Journal, prefix string, n int) {
	t.Helper()
	for _, r := range received(prefix, n) {
		if got := statuses(t, j, []store.Record{r}); got[daybook.Stored] != 1 {
			t.Fatalf("%s: %v", prefix, got)
		}
	}
	time.Sleep(3 * time.Second)
}

func oldest(j *journal.Journal) store.Position {
	first, _ := j.Bounds()
	return first
}

func TestOldChunksGoWhenTheirTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := small(t)
		o.Keep = 24 * time.Hour
		j := open(t, o)
		appendEach(t, j, "old", 20)
		time.Sleep(23 * time.Hour)
		appendEach(t, j, "new", 20)
		if got := oldest(j); got != 1 {
			t.Errorf("within the time, the oldest is %d", got)
		}
		time.Sleep(2 * time.Hour)
		first := oldest(j)
		if first < 14 || first > 21 {
			t.Errorf("after it, the oldest is %d", first)
		}
		entries, err := j.Read(t.Context(), 3, 100)
		if err != nil || len(entries) == 0 || entries[0].Position != first {
			t.Errorf("reading on from 3 gives %d entries, %v", len(entries), err)
		}
		time.Sleep(72 * time.Hour)
		first = oldest(j)
		if chunks, keys := len(files(t, o.Dir, ".chunk")), len(files(t, o.Dir, ".keys")); chunks != 1 || keys > 1 {
			t.Errorf("long after it, there are %d chunks and %d key files", chunks, keys)
		}
		closeJournal(t, j)
		verifyClean(t, o.Dir)
		if got := oldest(open(t, o)); got != first {
			t.Errorf("after a restart the oldest is %d", got)
		}
	})
}

func TestTheOldestChunksGoWhenTheJournalIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := small(t)
		o.MaxBytes = smallRoom(5)
		j := open(t, o)
		appendEach(t, j, "a", 100)
		if s := j.Stats(); s.Bytes > o.MaxBytes || s.Bytes < o.MaxBytes*7/10 || s.Refusing {
			t.Errorf("%d bytes of %d, refusing %v", s.Bytes, o.MaxBytes, s.Refusing)
		}
		// Ids of events that are gone are remembered for the window all the same.
		if got := statuses(t, j, received("a", 100)); got[daybook.Duplicate] != 100 {
			t.Errorf("copies are %v", got)
		}
		closeJournal(t, j)
		j = open(t, o)
		if got := statuses(t, j, received("a", 100)); got[daybook.Duplicate] != 100 {
			t.Errorf("after a restart, copies are %v", got)
		}
		before := len(files(t, o.Dir, ".keys"))
		time.Sleep(26 * time.Hour)
		if after := len(files(t, o.Dir, ".keys")); after > 7 || before < 20 {
			t.Errorf("%d key files, and %d once the window has passed", before, after)
		}
		closeJournal(t, j)
		verifyClean(t, o.Dir)
	})
}

func TestWhatAFollowerNeedsIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := small(t)
		o.Keep, o.Followers = time.Hour, []string{"kafka"}
		j := open(t, o)
		j.Hold("statsig", 0)
		appendEach(t, j, "a", 40)
		time.Sleep(3 * time.Hour)
		if got := oldest(j); got != 1 {
			t.Errorf("while two need it, the oldest is %d", got)
		}
		j.Release("statsig")
		time.Sleep(time.Minute)
		if got := oldest(j); got != 1 {
			t.Errorf("while one has not said where it is, the oldest is %d", got)
		}
		j.Hold("kafka", 20)
		time.Sleep(time.Minute)
		if got := oldest(j); got > 21 || got < 14 {
			t.Errorf("while one needs what is behind 20, the oldest is %d", got)
		}
		j.Release("kafka")
		time.Sleep(time.Minute)
		if got := oldest(j); got < 34 {
			t.Errorf("when nobody needs it, the oldest is %d", got)
		}
		if s := j.Stats(); len(s.Evicted) != 0 {
			t.Errorf("evicted %v", s.Evicted)
		}
	})
}

func TestAFullJournalEvictsWhatIsNeededAndCountsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := small(t)
		o.MaxBytes, o.WarnAt, o.Followers = smallRoom(5), 75, []string{"behind", "ahead", "done"}
		j := open(t, o)
		appendEach(t, j, "a", 10)
		j.Hold("behind", 2)
		j.Hold("ahead", 9)
		j.Hold("done", 1000)
		appendEach(t, j, "b", 8)
		if s := j.Stats(); !s.Warning || s.Refusing || len(s.Evicted) != 0 {
			t.Errorf("nearly full: %+v", s)
		}
		appendEach(t, j, "c", 30)
		first := uint64(oldest(j))
		want := map[string]uint64{"behind": first - 1 - 2, "ahead": first - 1 - 9}
		if s := j.Stats(); first < 12 || !maps.Equal(s.Evicted, want) {
			t.Errorf("with %d the oldest, evicted %v, want %v", first, s.Evicted, want)
		}
		appendEach(t, j, "d", 10)
		now := uint64(oldest(j))
		if got := j.Stats().Evicted["behind"]; now <= first || got != now-1-2 {
			t.Errorf("with %d the oldest, evicted %d", now, got)
		}
	})
}

func TestAClockThatJumpsRemovesAndForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		o := small(t)
		o.Keep, o.DedupWindow = 24*time.Hour, 24*time.Hour
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		j := open(t, o)
		appendEach(t, j, "a", 20)
		for _, jump := range []time.Duration{10000 * time.Hour, -10000 * time.Hour} {
			ahead.Store(int64(jump))
			time.Sleep(50 * time.Minute)
			if got := oldest(j); got != 1 {
				t.Errorf("%v ahead for a while, the oldest is %d", jump, got)
			}
			ahead.Store(0)
			time.Sleep(time.Minute)
			if got := statuses(t, j, received("a", 20)); got[daybook.Duplicate] != 20 {
				t.Errorf("%v ahead and back, copies are %v", jump, got)
			}
		}
		closeJournal(t, j)
		ahead.Store(int64(10000 * time.Hour))
		j = open(t, o)
		time.Sleep(30 * time.Minute)
		if got := oldest(j); got != 1 {
			t.Errorf("ahead from the start, the oldest is %d", got)
		}
		time.Sleep(time.Hour)
		if got := oldest(j); got == 1 {
			t.Error("a clock that stays ahead is never believed")
		}
	})
}

// The clock is months behind when the journal is made, for minutes or for hours.
func TestAClockThatWasBehindRemovesAndForgetsNothing(t *testing.T) {
	for _, long := range []time.Duration{10 * time.Minute, 5 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var ahead atomic.Int64
			o := small(t)
			o.Keep, o.DedupWindow = 24*time.Hour, 24*time.Hour
			o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			ahead.Store(int64(-60 * 24 * time.Hour))
			j := open(t, o)
			records := received("a", 20)
			for i := range records {
				records[i].Received = o.Now()
				statuses(t, j, records[i:i+1])
			}
			time.Sleep(long)
			ahead.Store(0)
			time.Sleep(5 * time.Hour)
			if got := oldest(j); got != 1 {
				t.Errorf("behind for %v, the oldest is %d", long, got)
			}
			if got := statuses(t, j, records); got[daybook.Duplicate] != 20 {
				t.Errorf("behind for %v, copies are %v", long, got)
			}
			time.Sleep(22 * time.Hour)
			if got := oldest(j); got == 1 {
				t.Errorf("behind for %v, nothing is ever removed", long)
			}
		})
	}
}

func TestARemovalThatFailsIsTakenUpAgainInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := waltest.Wrap(wal.OS{})
		o := small(t)
		o.FS, o.Keep = fs, time.Hour
		j := open(t, o)
		appendEach(t, j, "a", 30)
		chunks := len(files(t, o.Dir, ".chunk"))
		fs.FailFrom(3, syscall.EIO) // one removal and its sync succeed
		time.Sleep(2 * time.Hour)
		if got := len(files(t, o.Dir, ".chunk")); got != chunks-1 {
			t.Errorf("%d chunks of %d are left", got, chunks)
		}
		verifyClean(t, killed(t, o.Dir))
		if got := j.Stats(); got.Refusing {
			t.Errorf("refusing: %+v", got)
		}
		fs.Heal()
		time.Sleep(time.Minute)
		if got := len(files(t, o.Dir, ".chunk")); got != 1 {
			t.Errorf("when the disk works again, %d chunks are left", got)
		}
		closeJournal(t, j)
		verifyClean(t, o.Dir)
	})
}

func TestAnInterruptedRemovalIsFinishedAtTheNextStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := 1; ; n++ {
			fs := waltest.Wrap(wal.OS{})
			o := small(t)
			o.Keep = time.Hour
			j := open(t, o)
			appendEach(t, j, "a", 20)
			closeJournal(t, j)
			o.FS = fs
			j = open(t, o)
			appendEach(t, j, "b", 4)
			fs.FailFrom(n, syscall.EIO)
			time.Sleep(2 * time.Hour)
			left := killed(t, o.Dir)
			verifyClean(t, left)
			stopped := fs.Failed()
			fs.Heal()
			closeJournal(t, j)

			o.FS, o.Dir = nil, left
			j = open(t, o)
			if got := statuses(t, j, received("a", 20)); got[daybook.Duplicate] != 20 {
				t.Errorf("stopped at call %d, copies are %v", n, got)
			}
			time.Sleep(2 * time.Hour)
			if got := len(files(t, left, ".chunk")); got > 2 {
				t.Errorf("stopped at call %d, %d chunks are left after the next start", n, got)
			}
			closeJournal(t, j)
			if !stopped {
				return
			}
		}
	})
}

func TestReadersOfRemovedChunksGoOnWithTheOldestKept(t *testing.T) {
	o := small(t)
	o.MaxBytes = smallRoom(4)
	j := open(t, o)
	stop := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		var after store.Position
		for {
			select {
			case <-stop:
				return
			default:
			}
			entries, err := j.Read(t.Context(), after, 3)
			if err != nil {
				failed <- err
				return
			}
			for _, e := range entries {
				if e.Position <= after {
					failed <- fmt.Errorf("%d follows %d", e.Position, after)
					return
				}
				after = e.Position
			}
			if len(entries) == 0 {
				after = 0 // from the start again: where chunks are being removed
			}
		}
	}()
	for i := range 100 {
		statuses(t, j, received(fmt.Sprint(i), 4))
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Error(err)
	}
	if s := j.Stats(); s.DamagedRecords != 0 {
		t.Errorf("%d records are damaged", s.DamagedRecords)
	}
}

func TestAFullFileSystemWarnsThenRefusesThenResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1000 << 20
		fs := waltest.Wrap(wal.OS{})
		set := func(percentFree int64) {
			fs.PutOn(wal.Volume{Kind: "ext4", Free: size / 100 * percentFree, Size: size})
			time.Sleep(3 * time.Second)
		}
		fs.PutOn(wal.Volume{Kind: "ext4", Free: size, Size: size})
		j := open(t, journal.Options{Dir: t.TempDir(), FS: fs})
		note := []store.Record{{Kind: store.KindSettled, Event: daybook.Event{ID: "x"}, Settlement: &store.Settlement{Position: 1}}}
		n := 0
		for i, step := range []struct {
			free              int64
			warning, refusing bool
		}{
			{50, false, false},
			{19, true, false},
			{20, true, false}, // not clearly better
			{22, false, false},
			{4, true, true},
			{5, true, true}, // not clearly better
			{7, true, false},
			{3, true, true},
			{60, false, false},
		} {
			set(step.free)
			n++
			err := appendError(t, j, fmt.Sprint(n))
			ready := j.Ready(t.Context())
			s := j.Stats()
			if s.Warning != step.warning || s.Refusing != step.refusing {
				t.Errorf("step %d, %d %% free: warning %v, refusing %v", i, step.free, s.Warning, s.Refusing)
			}
			if (err != nil) != step.refusing || (ready != nil) != step.refusing {
				t.Errorf("step %d: append says %v, ready says %v", i, err, ready)
			}
			if e, ok := errors.AsType[*daybook.Error](err); ok && (e.Code != daybook.Exhausted || e.Reason != "disk_full" || e.RetryAfter == 0) {
				t.Errorf("step %d: refused with %+v", i, e)
			}
			// What the gateway has to note about events it has is still taken.
			if receipts, err := j.Append(t.Context(), note); err != nil || receipts[0].Status != daybook.Stored {
				t.Errorf("step %d: a settlement: %v, %v", i, receipts, err)
			}
		}
	})
}

func TestALargeDiskNearlyFullIsNoReasonToRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := waltest.Wrap(wal.OS{})
		fs.PutOn(wal.Volume{Kind: "ext4", Free: 20 << 30, Size: 1 << 40}) // 2 % of a terabyte
		j := open(t, journal.Options{Dir: t.TempDir(), FS: fs})
		time.Sleep(3 * time.Second)
		if s := j.Stats(); s.Warning || s.Refusing {
			t.Errorf("warning %v, refusing %v", s.Warning, s.Refusing)
		}
	})
}

func TestADiskThatHangsIsNotReadyAndLittleWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newSlowFS()
		j := open(t, journal.Options{Dir: t.TempDir(), FS: fs})
		answers := make(chan error, 5000)
		send := func(i int) {
			_, err := j.Append(t.Context(), received(fmt.Sprint(i), 1))
			answers <- err
		}
		go send(0)
		<-fs.syncing
		time.Sleep(2 * time.Second)
		if err := j.Ready(t.Context()); err != nil {
			t.Errorf("after two seconds, ready says %v", err)
		}
		for i := range 3000 {
			go send(i + 1)
		}
		synctest.Wait()
		if shed := len(answers); shed != 3000-1024 {
			t.Errorf("%d of 3000 are turned away", shed)
		}
		for range len(answers) {
			if err := <-answers; daybook.CodeOf(err) != daybook.Exhausted {
				t.Fatalf("answered %v", err)
			}
		}
		time.Sleep(2 * time.Second)
		if e, ok := errors.AsType[*daybook.Error](j.Ready(t.Context())); !ok || e.Reason != "store_slow" {
			t.Errorf("after four seconds, ready says %v", e)
		}
		close(fs.letGo)
		for range 1025 {
			if err := <-answers; err != nil {
				t.Fatalf("queued, and answered %v", err)
			}
		}
		if err := j.Ready(t.Context()); err != nil {
			t.Errorf("when the disk goes on, ready says %v", err)
		}
	})
}
