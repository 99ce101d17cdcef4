package journal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// appendError appends one event and returns why it was not stored.
func appendError(t *testing.T, j *journal.Journal, id string) error {
	t.Helper()
	receipts, err := j.Append(t.Context(), []store.Record{storetest.Event("c", id)})
	if err != nil {
		return err
	}
	if receipts[0].Status != daybook.Failed {
		return nil
	}
	return receipts[0].Err
}

func ids(entries []store.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.Event.ID + " ")
	}
	return strings.TrimSpace(b.String())
}

func TestAFailedSyncIsAnsweredAndNeverRead(t *testing.T) {
	dir, fs := t.TempDir(), waltest.Wrap(wal.OS{})
	j := open(t, journal.Options{Dir: dir, FS: fs})
	appendOne(t, j, "before")

	fs.FailAt(2, syscall.EIO) // the write succeeds, the sync does not
	err := appendError(t, j, "lost")
	if e, ok := errors.AsType[*daybook.Error](err); !ok || e.Code != daybook.Unavailable || e.Reason != "store_failed" || e.RetryAfter == 0 {
		t.Errorf("answered %v", err)
	}
	// A process killed right after the answer has fixed the end already.
	if got := ids(storetest.ReadAll(t, open(t, journal.Options{Dir: killed(t, dir)}), 10)); got != "before" {
		t.Errorf("after a kill, read %q", got)
	}
	if r := appendOne(t, j, "after"); r.Status != daybook.Stored || r.Position != 2 {
		t.Errorf("the next event: %+v", r)
	}
	if got := ids(storetest.ReadAll(t, j, 10)); got != "before after" {
		t.Errorf("read %q", got)
	}
	left := killed(t, dir)
	if got := ids(storetest.ReadAll(t, open(t, journal.Options{Dir: left}), 10)); got != "before after" {
		t.Errorf("after a restart, read %q", got)
	}
	if r := appendOne(t, j, "lost"); r.Status != daybook.Stored {
		t.Errorf("sent again, the event that failed is %+v", r)
	}
}

func TestAFullDiskRefusesAndRecoversByItself(t *testing.T) {
	fs := waltest.Wrap(wal.OS{})
	clock := &clock{now: time.Now()}
	j := open(t, journal.Options{Dir: t.TempDir(), FS: fs, Now: clock.Now})
	appendOne(t, j, "before")

	fs.FailFrom(1, syscall.ENOSPC)
	for i := range 3 {
		err := appendError(t, j, fmt.Sprint("lost-", i))
		if e, ok := errors.AsType[*daybook.Error](err); !ok || e.Code != daybook.Exhausted || e.Reason != "disk_full" || e.RetryAfter == 0 {
			t.Errorf("answered %v", err)
		}
	}
	for range 2 { // what is known, and a probe
		if err := j.Ready(t.Context()); daybook.CodeOf(err) != daybook.Exhausted {
			t.Errorf("ready says %v", err)
		}
		clock.add(3 * time.Second)
	}
	fs.Heal()
	if err := j.Ready(t.Context()); err != nil {
		t.Errorf("with room again, ready says %v", err)
	}
	if r := appendOne(t, j, "after"); r.Status != daybook.Stored || r.Position != 2 {
		t.Errorf("the next event: %+v", r)
	}
	if got := ids(storetest.ReadAll(t, j, 10)); got != "before after" {
		t.Errorf("read %q", got)
	}
}

func TestReadyAsksTheDiskOnlyWhenNothingElseHas(t *testing.T) {
	fs := waltest.Wrap(wal.OS{})
	clock := &clock{now: time.Now()}
	j := open(t, journal.Options{Dir: t.TempDir(), FS: fs, Now: clock.Now})
	clock.add(time.Minute)
	appendOne(t, j, "a")
	fs.FailFrom(1, errDisk)
	clock.add(time.Second)
	if err := j.Ready(t.Context()); err != nil || fs.Failed() {
		t.Errorf("a second after an append, ready says %v", err)
	}
	clock.add(2 * time.Second)
	if err := j.Ready(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("three seconds after an append, ready says %v", err)
	}
	fs.FailAt(1, errDisk)
	if err := appendError(t, j, "b"); err == nil {
		t.Fatal("stored on a disk that fails")
	}
	if err := j.Ready(t.Context()); err != nil {
		t.Errorf("with a new chunk begun, ready says %v", err)
	}
	fs.FailFrom(1, syscall.ENOSPC)
	_ = appendError(t, j, "c")
	fs.Heal()
	if err := j.Ready(t.Context()); daybook.CodeOf(err) != daybook.Exhausted {
		t.Errorf("right after a failed append, ready says %v", err)
	}
}

// A clock stands still unless told to go on.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// slowFS holds back every sync of a chunk until it is let go.
type slowFS struct {
	wal.OS
	syncing chan struct{} // takes a value when a sync begins
	letGo   chan struct{} // closed: syncs go through
}

func newSlowFS() *slowFS {
	return &slowFS{syncing: make(chan struct{}, 1000), letGo: make(chan struct{})}
}

func (f *slowFS) Create(name string) (wal.File, error) {
	inner, err := f.OS.Create(name)
	return &slowFile{File: inner, fs: f}, err
}

type slowFile struct {
	wal.File
	fs     *slowFS
	synced bool // the first sync, of a new file, goes through
}

func (f *slowFile) Sync() error {
	if f.synced {
		f.fs.syncing <- struct{}{}
		<-f.fs.letGo
	}
	f.synced = true
	return f.File.Sync()
}

func TestNothingIsAnsweredOrReadBeforeItsSync(t *testing.T) {
	fs := newSlowFS()
	j := open(t, journal.Options{Dir: t.TempDir(), FS: fs})
	answered := make(chan error, 1)
	go func() {
		_, err := j.Append(t.Context(), storetest.Events("a", 3))
		answered <- err
	}()
	<-fs.syncing
	if entries := storetest.ReadAll(t, j, 10); len(entries) != 0 {
		t.Errorf("read %d events that are not synced", len(entries))
	}
	if _, newest := j.Bounds(); newest != 0 {
		t.Errorf("newest is %d", newest)
	}
	select {
	case err := <-answered:
		t.Errorf("answered before the sync: %v", err)
	default:
	}
	close(fs.letGo)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if entries := storetest.ReadAll(t, j, 10); len(entries) != 3 {
		t.Errorf("read %d events", len(entries))
	}
}

func TestADiskThatStandsStillShedsLoadAndLosesNothing(t *testing.T) {
	synctest.Test(t, testADiskThatStandsStill) // no time passes: it is not yet slow
}

func testADiskThatStandsStill(t *testing.T) {
	fs := newSlowFS()
	j := open(t, journal.Options{Dir: t.TempDir(), FS: fs})
	large := func(id string) []store.Record {
		r := storetest.Event("c", id)
		r.Event.Metadata = []byte(`"` + strings.Repeat("x", 20<<20) + `"`)
		return []store.Record{r}
	}
	const appends = 8
	answers := make(chan error, appends)
	for i := range appends {
		go func() {
			_, err := j.Append(t.Context(), large(fmt.Sprint(i)))
			answers <- err
		}()
		if i == 0 {
			<-fs.syncing // the first is being written; of the others 64 MiB may wait
		}
	}
	shed := 0
	for range appends - 4 {
		err := <-answers
		if e, ok := errors.AsType[*daybook.Error](err); !ok || e.Code != daybook.Exhausted || e.Reason != "store_overloaded" || e.RetryAfter != time.Second {
			t.Fatalf("answered %v", err)
		}
		shed++
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Close(ctx); daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("close with no time left: %v", err)
	}
	close(fs.letGo)
	for range appends - shed {
		if err := <-answers; err != nil {
			t.Errorf("queued before the end: %v", err)
		}
	}
}

func TestReadyDoesNotWaitForADiskThatHangs(t *testing.T) {
	fs := newSlowFS()
	clock := &clock{now: time.Now()}
	j := open(t, journal.Options{Dir: t.TempDir(), FS: hangingProbe{fs}, Now: clock.Now})
	clock.add(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-fs.syncing
		cancel()
	}()
	if err := j.Ready(ctx); daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("ready says %v", err)
	}
	close(fs.letGo)
	if err := j.Ready(t.Context()); err != nil {
		t.Errorf("when the disk answers, ready says %v", err)
	}
}

// hangingProbe holds back the first sync of a file too.
type hangingProbe struct{ *slowFS }

func (f hangingProbe) Create(name string) (wal.File, error) {
	file, err := f.slowFS.Create(name)
	file.(*slowFile).synced = strings.HasSuffix(name, "probe")
	return file, err
}

func TestReadersFollowWritersThroughChunks(t *testing.T) {
	j := open(t, journal.Options{Dir: t.TempDir(), ChunkBytes: 20_000})
	const writers, each = 4, 100
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for _, r := range storetest.Events(fmt.Sprint(w), each) {
				if _, err := j.Append(t.Context(), []store.Record{r}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var reading sync.WaitGroup
	for range 3 {
		reading.Go(func() {
			var after store.Position
			for after < writers*each {
				if err := j.Wait(t.Context(), after); err != nil {
					t.Error(err)
					return
				}
				entries, err := j.Read(t.Context(), after, 17)
				if err != nil || len(entries) == 0 {
					t.Errorf("read %d after %d, %v", len(entries), after, err)
					return
				}
				for _, e := range entries {
					if e.Position != after+1 {
						t.Errorf("%d follows %d", e.Position, after)
					}
					after = e.Position
				}
			}
		})
	}
	writing.Wait()
	reading.Wait()
}

func TestTheObserverSeesEveryGroup(t *testing.T) {
	var mu sync.Mutex
	var appends, syncs, events int
	j := open(t, journal.Options{Dir: t.TempDir(), Observe: journal.Observer{
		Append: func(time.Duration) { mu.Lock(); appends++; mu.Unlock() },
		Sync:   func(time.Duration) { mu.Lock(); syncs++; mu.Unlock() },
		Group:  func(n int) { mu.Lock(); events += n; mu.Unlock() },
	}})
	for i := range 3 {
		if _, err := j.Append(t.Context(), storetest.Events(fmt.Sprint(i), 4)); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if appends != 3 || syncs != 3 || events != 12 {
		t.Errorf("%d appends, %d syncs, %d events", appends, syncs, events)
	}
}
