package journal_test

import (
	"fmt"
	"os"
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

// roomy is a journal of chunks large enough for room to be made for them.
func roomy(t *testing.T) journal.Options {
	t.Helper()
	return journal.Options{Dir: t.TempDir(), ChunkBytes: 1 << 20, Now: justAfter}
}

// appendUntilRoom appends until a chunk stands in room, and returns how many
// events that took.
func appendUntilRoom(t *testing.T, j *journal.Journal, dir string) (events int) {
	t.Helper()
	for range 100 {
		if _, err := j.Append(t.Context(), storetest.Events(fmt.Sprint("room-", events), 100)); err != nil {
			t.Fatal(err)
		}
		events += 100
		time.Sleep(time.Second) // for the keeper
		chunks := files(t, dir, ".chunk")
		if info, err := os.Stat(chunks[len(chunks)-1]); err == nil && info.Size() == 1<<20 {
			return events
		}
	}
	t.Fatal("no chunk stands in room")
	return 0
}

func TestChunksMoveIntoRoomMadeInAdvance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := roomy(t)
		j := open(t, o)
		events := appendUntilRoom(t, j, o.Dir)
		for i := range 5 {
			if _, err := j.Append(t.Context(), storetest.Events(fmt.Sprint("more-", i), 100)); err != nil {
				t.Fatal(err)
			}
			events += 100
		}
		time.Sleep(3 * time.Second)
		left := killed(t, o.Dir)
		if got := j.Stats(); got.Bytes < 2<<20 { // this chunk, and room for the next
			t.Errorf("%d bytes are taken", got.Bytes)
		}
		closeJournal(t, j)
		for _, dir := range []string{left, o.Dir} {
			if left := files(t, o.Dir, ".tmp"); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
			verifyClean(t, dir)
			o.Dir = dir
			j = open(t, o)
			if s := j.Stats(); s.TornTails != 0 || s.DamagedRecords != 0 || s.Events != uint64(events) {
				t.Errorf("opened again: %+v", s)
			}
			if r := appendOne(t, j, "next"); r.Position != store.Position(events+1) {
				t.Errorf("the next event: %+v", r)
			}
			closeJournal(t, j)
			verifyClean(t, dir)
		}
	})
}

func TestNoRoomIsMadeForLargeAppends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := roomy(t)
		j := open(t, o)
		for i := range 5 {
			if _, err := j.Append(t.Context(), storetest.Events(fmt.Sprint("large-", i), 400)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second) // for the keeper
		}
		if got := j.Stats(); got.Bytes >= 1<<20 {
			t.Errorf("%d bytes are taken: every byte of a batch would be written twice", got.Bytes)
		}
		closeJournal(t, j)
	})
}

func TestATornWriteOverZerosIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := roomy(t)
		j := open(t, o)
		events := appendUntilRoom(t, j, o.Dir)
		appendOne(t, j, "last")
		left := killed(t, o.Dir)
		closeJournal(t, j)

		chunks := files(t, left, ".chunk")
		name := chunks[len(chunks)-1]
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		end := len(content)
		for content[end-1] == 0 {
			end--
		}
		overwrite(t, name, int64(end-20), make([]byte, 20)) // of the last record, the end was not written
		o.Dir = left
		j = open(t, o)
		if s := j.Stats(); s.TornTails != 1 || s.DamagedRecords != 0 || s.Events != uint64(events) {
			t.Errorf("stats are %+v", s)
		}
		if r := appendOne(t, j, "last"); r.Status != daybook.Stored {
			t.Errorf("sent again: %+v", r)
		}
		closeJournal(t, j)
		verifyClean(t, left)
	})
}

func TestRoomThatCannotBeMadeOrUsedCostsNothing(t *testing.T) {
	for _, err := range []error{syscall.ENOSPC, syscall.EIO} {
		synctest.Test(t, func(t *testing.T) {
			// Every call that makes or uses room fails once.
			for n := 1; ; n++ {
				o, fs := roomy(t), waltest.Wrap(wal.OS{})
				o.FS = fs
				j := open(t, o)
				want := 0
				send := func(id string) {
					if appendError(t, j, id) == nil {
						want++
					}
				}
				for i := range 9 {
					statuses(t, j, storetest.Events(fmt.Sprint("a-", i), 100))
					want += 100
				}
				fs.FailAt(n, err)
				for i := range 60 {
					send(fmt.Sprint("b-", i))
				}
				time.Sleep(5 * time.Second)
				for i := range 10 {
					send(fmt.Sprint("c-", i))
				}
				failed := fs.Failed()
				if got := len(storetest.ReadAll(t, j, 1000)); got != want {
					t.Errorf("call %d: %d events are read, %d were stored", n, got, want)
				}
				left := killed(t, o.Dir)
				closeJournal(t, j)
				verifyClean(t, o.Dir)
				verifyClean(t, left)
				if !failed {
					return
				}
				n += 16 // most are the calls of one event, which repeat
			}
		})
	}
}
