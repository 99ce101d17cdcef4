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

var errDisk = errors.New("input/output error")

// A ledger is what the journal has answered, by event id.
type ledger map[string]daybook.Status

// work opens a journal on fs, appends batches through several chunks, sends
// half of them again, and closes. It goes on after errors as callers do.
func (l ledger) work(t *testing.T, dir string, fs wal.FS) {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Options{Dir: dir, FS: fs, ChunkBytes: wal.DataStart + 2000})
	if err != nil {
		return
	}
	for i := range 8 {
		for range 1 + i%2 {
			l.send(t, j, storetest.Events(fmt.Sprint(i), 3))
		}
	}
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (l ledger) send(t *testing.T, j *journal.Journal, records []store.Record) {
	t.Helper()
	receipts, err := j.Append(t.Context(), records)
	for i, r := range records {
		status := daybook.Failed
		if err == nil {
			status = receipts[i].Status
		}
		if before := l[r.Event.ID]; before == daybook.Stored && status != daybook.Failed && status != daybook.Duplicate {
			t.Errorf("%s was stored, its copy is %v", r.Event.ID, status)
		} else if before != daybook.Stored && before != daybook.Duplicate {
			l[r.Event.ID] = status
		}
	}
}

// check opens the journal again and compares what it holds with the answers.
func (l ledger) check(t *testing.T, dir string, failedMayBeThere bool) {
	t.Helper()
	j := open(t, journal.Options{Dir: dir})
	found := map[string]int{}
	var last store.Position
	for _, e := range storetest.ReadAll(t, j, 100) {
		found[e.Event.ID]++
		if e.Position != last+1 {
			t.Errorf("position %d follows %d", e.Position, last)
		}
		last = e.Position
	}
	for id, status := range l {
		switch n := found[id]; {
		case (status == daybook.Stored || status == daybook.Duplicate) && n != 1:
			t.Errorf("%s was answered %v and is there %d times", id, status, n)
		case status == daybook.Failed && n > 0 && !failedMayBeThere:
			t.Errorf("%s was answered failed and is there", id)
		case n > 1:
			t.Errorf("%s is there %d times", id, n)
		}
	}
	if n := j.Stats().DamagedRecords; n != 0 {
		t.Errorf("%d records damaged", n)
	}
	for _, r := range append(l.resend(t, j), appendOne(t, j, "fresh")) {
		if r.Status != daybook.Stored && r.Status != daybook.Duplicate {
			t.Errorf("after the restart: %+v", r)
		}
	}
	closeJournal(t, j)
	verifyClean(t, dir)
}

// resend sends everything again: what was acknowledged has to be a duplicate.
func (l ledger) resend(t *testing.T, j *journal.Journal) []store.Receipt {
	t.Helper()
	var all []store.Receipt
	for i := range 8 {
		receipts, err := j.Append(t.Context(), storetest.Events(fmt.Sprint(i), 3))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range receipts {
			if l[r.ID] == daybook.Stored && r.Status != daybook.Duplicate {
				t.Errorf("%s was stored, its copy after the restart is %v", r.ID, r.Status)
			}
		}
		all = append(all, receipts...)
	}
	return all
}

func appendOne(t *testing.T, j *journal.Journal, id string) store.Receipt {
	t.Helper()
	receipts, err := j.Append(t.Context(), []store.Record{storetest.Event("c", id)})
	if err != nil {
		t.Fatal(err)
	}
	return receipts[0]
}

func verifyClean(t *testing.T, dir string) {
	t.Helper()
	_, err := journal.Verify(dir, func(d journal.Damage) { t.Error(d) })
	if err != nil {
		t.Error(err)
	}
}

func TestR7EveryAcknowledgedEventSurvivesAFailureOfAnyDiskCall(t *testing.T) {
	modes := map[string]struct {
		arm              func(fs *waltest.FS, n int)
		failedMayBeThere bool
	}{
		"one call fails": {arm: func(fs *waltest.FS, n int) { fs.FailAt(n, errDisk) }},
		// The process ends before it can fix the end of the chunk.
		"everything fails from one call on": {arm: func(fs *waltest.FS, n int) { fs.FailFrom(n, errDisk) }, failedMayBeThere: true},
	}
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				dir, l, fs := t.TempDir(), ledger{}, waltest.Wrap(wal.OS{})
				mode.arm(fs, n)
				l.work(t, dir, fs)
				failed := fs.Failed()
				l.check(t, dir, mode.failedMayBeThere)
				if t.Failed() {
					t.Fatalf("with call %d failing", n)
				}
				if !failed {
					t.Logf("%d calls", n-1)
					return
				}
			}
		})
	}
}
