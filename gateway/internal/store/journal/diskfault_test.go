package journal_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal/waltest"
)

// A spell is a time in which the disk fails: of the operations that concerns
// takes in, those from the n-th on, so many, with err.
type spell struct {
	concerns func(waltest.Operation) bool
	n, many  int
	err      error

	mu   sync.Mutex
	seen int // guarded by mu
}

func (s *spell) decide(op waltest.Operation) error {
	if !s.concerns(op) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen++; s.seen >= s.n && s.seen < s.n+s.many {
		return s.err
	}
	return nil
}

// began reports whether an operation has failed.
func (s *spell) began() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen >= s.n
}

func changes(op waltest.Operation) bool { return op.Kind != waltest.Open && op.Kind != waltest.Read }

// writes takes in what needs room.
func writes(op waltest.Operation) bool {
	return slices.Contains([]waltest.Kind{waltest.Write, waltest.Create, waltest.Sync, waltest.Mkdir}, op.Kind)
}

// reads takes in reads of chunks. One of a key file costs what the log says it
// does: copies of its events are not recognised until the keeper has looked.
func reads(op waltest.Operation) bool {
	return !changes(op) && !strings.HasSuffix(op.Name, ".keys")
}

// failEverywhere lets a client work on a disk that fails from operation n on,
// for every n until the work is done before. Then the disk is healthy again: the
// journal has to go on by itself, and after a restart everything told is true.
func failEverywhere(t *testing.T, seed uint64, concerns func(waltest.Operation) bool, many int, err error) (spells int) {
	t.Helper()
	for n := 1; ; n++ {
		w := newWorld(t, seed+uint64(n))
		s := &spell{concerns: concerns, n: n, many: many, err: err}
		w.disk.Fail(s.decide)
		w.work(size(14, 60), stayOpen)
		w.disk.Fail(nil)
		if errors.Is(err, syscall.ENOSPC) && w.book.codes[daybook.Exhausted] != w.book.failed {
			t.Errorf("a full disk is called %v", w.book.codes)
		}
		w.requireResumes()
		w.requireGivenUp()
		first := w.disk
		w.disk = w.disk.Restart([]waltest.Keep{waltest.Everything, waltest.Pages, waltest.Nothing}[n%3])
		w.requireWhole()
		if t.Failed() {
			w.explain(first, "operation %d and %d more failed", n, many-1)
		}
		if !s.began() {
			return spells
		}
		spells++
	}
}

// requireResumes requires that the journal takes events again, without being
// started again where it is open.
func (w *world) requireResumes() {
	w.t.Helper()
	if w.journal == nil {
		if err := w.open(); err != nil {
			w.t.Fatal(err)
		}
	}
	fresh := event("resumed", "first", 100)
	w.book.send(w.t, w.journal, w.hears, fresh)
	if w.book.pages["resumed"].kept == nil {
		w.t.Error("with the disk well again, an event is not stored")
	}
	if err := w.journal.Ready(w.t.Context()); err != nil {
		w.t.Errorf("with the disk well again, ready says %v", err)
	}
	entries := storetest.ReadAll(w.t, w.journal, 7)
	if untold := w.book.check(w.t, entries); len(entries) != w.book.stored+untold {
		w.t.Errorf("%d events are there, %d were answered stored", len(entries), w.book.stored)
	}
	w.close()
}

// requireGivenUp requires that no descriptor was written to or synced after
// that had failed on it.
func (w *world) requireGivenUp() {
	w.t.Helper()
	failed := map[int]waltest.Operation{}
	for _, op := range w.disk.Log() {
		if op.Kind != waltest.Write && op.Kind != waltest.Sync {
			continue
		}
		if before, ok := failed[op.File]; ok {
			w.t.Errorf("after %q on descriptor %d: %v", before, op.File, op)
		}
		if op.Err != nil {
			failed[op.File] = op
		}
	}
}

// TestR6 fills the disk at every call that needs room, for one call or many.
func TestR6AFullDiskIsRefusedLoudlyAndLeftByItself(t *testing.T) {
	seed, spells := newSeed(t), 0
	for _, many := range []int{1, 30} {
		spells += failEverywhere(t, seed, writes, many, syscall.ENOSPC)
		seed += 1_000_000
	}
	t.Logf("%d times the disk was full", spells)
}

// A disk of limited size fills by itself: some of a write finds room.
func TestR6ADiskOfAnySizeIsFilledWithoutLoss(t *testing.T) {
	seed := newSeed(t)
	for limit := int64(1); limit < 130_000; limit += int64(size(1777, 97)) {
		synctest.Test(t, func(t *testing.T) { fillDisk(t, seed, limit) })
	}
}

func fillDisk(t *testing.T, seed uint64, limit int64) {
	w := newWorld(t, seed+uint64(limit))
	w.disk.Limit(limit)
	w.work(40, stayOpen)
	if w.journal != nil {
		receipts, err := w.journal.Append(t.Context(), []store.Record{event("large", "first", 200_000)})
		if err == nil {
			err = receipts[0].Err
		}
		if daybook.CodeOf(err) != daybook.Exhausted {
			t.Errorf("200,000 bytes on a disk of %d: %v", limit, err)
		}
	}
	w.disk.Limit(0)
	time.Sleep(5 * time.Second) // the room is looked at now and then
	w.requireResumes()
	full := w.disk
	w.disk = w.disk.Restart(waltest.Pages)
	w.requireWhole()
	if t.Failed() {
		w.explain(full, "on a disk of %d bytes", limit)
	}
}

// TestR7 fails every call once: nothing is acknowledged on the strength of a
// sync that failed, or of one repeated on the same descriptor.
func TestR7AFailedWriteOrSyncIsNeverAcknowledgedOrDelivered(t *testing.T) {
	seed := newSeed(t)
	for range size(1, 2) {
		t.Logf("%d calls failed", failEverywhere(t, seed, changes, 1, syscall.EIO))
		seed += 1_000_000
	}
}

// And a disk that fails for some time, or forever.
func TestR7ADiskThatStaysBrokenIsNeverTrusted(t *testing.T) {
	seed := newSeed(t)
	for _, many := range []int{7, math.MaxInt32} {
		t.Logf("%d spells of %d", failEverywhere(t, seed, changes, many, syscall.EIO), many)
		seed += 1_000_000
	}
}

// A read that fails fails that read and nothing else.
func TestR7AFailedReadLosesNothing(t *testing.T) {
	t.Logf("%d reads failed", failEverywhere(t, newSeed(t), reads, 1, errors.New("input/output error")))
}
