package journal_test

import (
	"errors"
	"fmt"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// keyed returns an event with an idempotency key and a content of its own.
func keyed(caller, id, key string, content byte) store.Record {
	r := storetest.Event(caller, id)
	r.Event.IdempotencyKey = key
	r.Digest = store.Digest{content}
	return r
}

func one(t *testing.T, j *journal.Journal, r store.Record) store.Receipt {
	t.Helper()
	receipts, err := j.Append(t.Context(), []store.Record{r})
	if err != nil {
		t.Fatal(err)
	}
	return receipts[0]
}

func TestIdempotencyKeysCountOnlyWhenAsked(t *testing.T) {
	j := open(t, journal.Options{Dir: t.TempDir(), Now: justAfter})
	for _, id := range []string{"1", "2"} {
		if r := one(t, j, keyed("c", id, "k", 1)); r.Status != daybook.Stored {
			t.Errorf("%s: %+v", id, r)
		}
	}
}

func TestAnIdempotencyKeyMakesADuplicate(t *testing.T) {
	for name, restarts := range map[string]bool{"within one chunk": false, "across restarts": true} {
		t.Run(name, func(t *testing.T) {
			o := journal.Options{Dir: t.TempDir(), Now: justAfter, IdempotencyKeys: true}
			j := open(t, o)
			next := func() {
				if restarts {
					closeJournal(t, j)
					j = open(t, o)
				}
			}
			for i, step := range []struct {
				record   store.Record
				status   daybook.Status
				position store.Position
				reason   string
			}{
				{keyed("c", "1", "k", 1), daybook.Stored, 1, ""},
				{keyed("c", "2", "k", 1), daybook.Duplicate, 1, ""},
				{keyed("c", "2", "k", 9), daybook.Refused, 0, "idempotency_conflict"},
				{keyed("d", "2", "k", 9), daybook.Stored, 2, ""},
				{keyed("c", "3", "", 3), daybook.Stored, 3, ""},
				{keyed("c", "4", "", 3), daybook.Stored, 4, ""},
				{keyed("c", "k", "", 3), daybook.Stored, 5, ""},     // an id is no key
				{keyed("c", "5", "1", 5), daybook.Stored, 6, ""},    // and a key no id
				{keyed("c", "1", "5", 1), daybook.Duplicate, 1, ""}, // the id comes first
				{keyed("c", "3", "k", 9), daybook.Refused, 0, "id_conflict"},
				{keyed("c", "6", "5", 5), daybook.Stored, 7, ""}, // the copy before left no key
			} {
				r := one(t, j, step.record)
				reason := ""
				if e, ok := errors.AsType[*daybook.Error](r.Err); ok {
					reason = e.Reason
				}
				if r.Status != step.status || reason != step.reason || step.position != 0 && r.Position != step.position {
					t.Errorf("step %d: %+v", i, r)
				}
				next()
			}
			closeJournal(t, j)
			verifyClean(t, o.Dir)
		})
	}
}

func TestAFailedWriteLeavesNoIdempotencyKey(t *testing.T) {
	fs := waltest.Wrap(wal.OS{})
	j := open(t, journal.Options{Dir: t.TempDir(), FS: fs, IdempotencyKeys: true, Now: justAfter})
	fs.FailAt(2, errDisk)
	if r := one(t, j, keyed("c", "1", "k", 1)); r.Status != daybook.Failed {
		t.Fatalf("got %+v", r)
	}
	if r := one(t, j, keyed("c", "2", "k", 1)); r.Status != daybook.Stored {
		t.Errorf("sent again, it is %+v", r)
	}
}

func TestKeysAreKnownAfterTheirChunkIsGone(t *testing.T) {
	o := journal.Options{Dir: t.TempDir(), ChunkBytes: wal.DataStart + 1500, MaxBytes: 3 * wal.DataStart, IdempotencyKeys: true, Now: justAfter}
	j := open(t, o)
	for i := range 60 {
		statuses(t, j, []store.Record{keyed("c", fmt.Sprint(i), fmt.Sprint("k", i), 1)})
	}
	closeJournal(t, j)
	j = open(t, o)
	for i := range 60 {
		if r := one(t, j, keyed("c", fmt.Sprint("other", i), fmt.Sprint("k", i), 1)); r.Status != daybook.Duplicate {
			t.Errorf("%d is %+v", i, r)
		}
	}
}
