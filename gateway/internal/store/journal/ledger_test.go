package journal_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// TestR12 has callers send on a disk that fails now and then. Of what each sent,
// the answers account for all, and what is there is what was answered stored.
func TestR12WhatWasReceivedIsWhatWasAnsweredAndWhatIsThere(t *testing.T) {
	seed := newSeed(t)
	for round := range size(20, 2000) {
		requireBalance(t, seed+uint64(round))
		if t.Failed() {
			t.Fatalf("seed %d", seed+uint64(round))
		}
	}
}

func requireBalance(t *testing.T, seed uint64) {
	t.Helper()
	disk, faults := waltest.NewDisk(seed), newChance(seed, 1)
	j, err := journal.Open(t.Context(), journal.Options{Dir: "/data", FS: disk, Now: justAfter, ChunkBytes: wal.DataStart + 6000})
	if err != nil {
		t.Fatal(err)
	}
	disk.Fail(func(op waltest.Operation) error {
		if changes(op) && faults.IntN(20) == 0 {
			return []error{syscall.EIO, syscall.ENOSPC}[faults.IntN(2)]
		}
		return nil
	})
	const callers = 4
	told := make([]map[daybook.Status]int, callers)
	var sending sync.WaitGroup
	for c := range callers {
		told[c] = map[daybook.Status]int{}
		sending.Go(func() { sendAll(t, j, fmt.Sprintf("caller-%d", c), newChance(seed, uint64(c+2)), told[c]) })
	}
	sending.Wait()
	disk.Fail(nil)
	appendOne(t, j, "fixes the end")
	_, _, counted := j.Stored()
	closeJournal(t, j)

	there := map[string]int{}
	again := open(t, journal.Options{Dir: "/data", FS: disk.Restart(waltest.Nothing), Now: justAfter})
	for _, e := range storetest.ReadAll(t, again, 100) {
		there[e.Caller]++
	}
	for c := range callers {
		n, name := told[c], fmt.Sprintf("caller-%d", c)
		if sum := n[daybook.Stored] + n[daybook.Duplicate] + n[daybook.Refused] + n[daybook.Failed]; sum != sentByEach {
			t.Errorf("%s sent %d, was answered %v", name, sentByEach, n)
		}
		if there[name] != n[daybook.Stored] || int(counted[name]) != n[daybook.Stored] {
			t.Errorf("of %s %d are there and %d were counted, was answered %v", name, there[name], counted[name], n)
		}
	}
	storetest.RequireTallies(t, again)
}

// sentByEach is how many events a caller sends, copies included.
const sentByEach = 120

// sendAll sends events in batches, some of them copies or conflicts.
func sendAll(t *testing.T, j *journal.Journal, caller string, chance *chance, told map[daybook.Status]int) {
	for sent := 0; sent < sentByEach; sent += 3 {
		records := make([]store.Record, 3)
		for i := range records {
			records[i] = event(fmt.Sprintf("e-%d", chance.IntN(60)), []string{"first", "first", "other"}[chance.IntN(3)], 200)
			records[i].Caller = caller
		}
		receipts, err := j.Append(t.Context(), records)
		if err != nil {
			told[daybook.Failed] += len(records)
			continue
		}
		for _, r := range receipts {
			told[r.Status]++
		}
	}
}

// A chance is random numbers for several goroutines.
type chance struct {
	mu   sync.Mutex
	rand *rand.Rand // guarded by mu
}

func newChance(seed, stream uint64) *chance {
	return &chance{rand: rand.New(rand.NewPCG(seed, stream))}
}

func (c *chance) IntN(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.IntN(n)
}
