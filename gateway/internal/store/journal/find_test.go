package journal_test

import (
	"errors"
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

func find(t *testing.T, j *journal.Journal, r store.Record) (at store.Position) {
	t.Helper()
	at, found, err := j.Find(t.Context(), r.Key())
	if err != nil || found != (at != 0) {
		t.Errorf("%s: found %v at %d, %v", r.Event.ID, found, at, err)
	}
	return at
}

func TestAKeyIsNotFoundBeforeItsRecordIsSynced(t *testing.T) {
	fs := newSlowFS()
	j := open(t, journal.Options{Dir: t.TempDir(), FS: fs})
	r := storetest.Event("c", "a")
	answered := make(chan error, 1)
	go func() {
		_, err := j.Append(t.Context(), []store.Record{r})
		answered <- err
	}()
	<-fs.syncing
	if at := find(t, j, r); at != 0 {
		t.Errorf("before its sync it is at %d", at)
	}
	close(fs.letGo)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if at := find(t, j, r); at != 1 {
		t.Errorf("after its sync it is at %d", at)
	}
}

func TestAKeyWhoseGroupFailedIsNotFound(t *testing.T) {
	fs := waltest.Wrap(wal.OS{})
	j := open(t, journal.Options{Dir: t.TempDir(), FS: fs})
	fs.FailAt(2, syscall.EIO) // the write succeeds, the sync does not
	if err := appendError(t, j, "lost"); err == nil {
		t.Fatal("stored on a disk that fails")
	}
	appendOne(t, j, "other") // has the position that the lost one would have
	if at := find(t, j, storetest.Event("c", "lost")); at != 0 {
		t.Errorf("it is at %d", at)
	}
	if at := find(t, j, storetest.Event("c", "other")); at != 1 {
		t.Errorf("the other is at %d", at)
	}
}

func TestAKeyIsFoundWhenItsChunkIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := small(t)
		o.MaxBytes = smallRoom(4)
		j := storeMixed(t, o, "a", 60)
		time.Sleep(time.Minute)
		first := received("a", 1)[0]
		if at := find(t, j, first); at != 1 || oldest(j) == 1 {
			t.Errorf("it is at %d, the oldest kept is %d", at, oldest(j))
		}
		closeJournal(t, j)
		j = open(t, o)
		if at := find(t, j, first); at != 1 {
			t.Errorf("after a restart it is at %d", at)
		}
		closeJournal(t, j)
		if _, _, err := j.Find(t.Context(), first.Key()); !errors.Is(err, daybook.ErrClosed) {
			t.Errorf("after the end, error is %v", err)
		}
	})
}
