package journal_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"daybook.dev/internal/wal/waltest"
)

// cutEverywhere cuts the power after each operation of a client's work, until
// the work is done before the power is. What keep names survives. Every other
// time the power is cut again while the journal is opened.
func cutEverywhere(t *testing.T, seed uint64, steps int, keep waltest.Keep) (cuts int) {
	t.Helper()
	return cutEvery(t, 1, func(n int) *world { return newWorld(t, seed+uint64(n)) }, steps, keep)
}

// cutEvery looks at every so many operations only.
func cutEvery(t *testing.T, every int, newWorld func(n int) *world, steps int, keep waltest.Keep) (cuts int) {
	t.Helper()
	for n := 1; ; n += every {
		w := newWorld(n)
		w.disk.CutAfter(n)
		w.work(steps, shutDown)
		w.close()
		if !w.hears() {
			cuts++
		}
		first, untouched := w.disk, w.hears()
		w.disk = w.disk.Restart(keep)
		if w.chance.IntN(2) == 0 {
			w.disk.CutAfter(1 + w.chance.IntN(12))
			_ = w.open()
			w.close()
			w.disk = w.disk.Restart(keep)
		}
		w.requireWhole()
		if t.Failed() {
			w.explain(first, "the power was cut after operation %d", n)
		}
		if untouched {
			return cuts
		}
	}
}

// TestR2 cuts the power after every single operation. Nothing that was not
// synced survives, names included.
func TestR2PowerLossAtAnyOperationLosesNothingAcknowledged(t *testing.T) {
	seed, cuts := newSeed(t), 0
	for range size(1, 2) {
		cuts += cutEverywhere(t, seed, size(16, 60), waltest.Nothing)
		seed += 1_000_000
	}
	t.Logf("%d power cuts", cuts)
}

// TestR3 cuts the power as TestR2 does, but of what was not synced a random
// part survives, in any order: pages of files, names, and within a page sectors.
func TestR3PartialPersistenceLosesNothingAcknowledged(t *testing.T) {
	seed, cuts := newSeed(t), 0
	for range size(1, 2) {
		for _, keep := range []waltest.Keep{waltest.Pages, waltest.Sectors} {
			cuts += cutEverywhere(t, seed, size(16, 60), keep)
			seed += 1_000_000
		}
	}
	t.Logf("%d power cuts", cuts)
}

// Large chunks are written over zeros made in advance.
func TestR3PowerLossInRoomMadeInAdvanceLosesNothingAcknowledged(t *testing.T) {
	seed := newSeed(t)
	var roomy atomic.Bool
	for range size(1, 2) {
		cuts := cutEvery(t, size(5, 1), func(n int) *world {
			w := newWorld(t, seed+uint64(n))
			w.options.ChunkBytes = 1 << 20
			w.lengths = [5]int{0, 3000, 20_000, 40_000, 40_000}
			w.disk.Fail(func(op waltest.Operation) error {
				if op.Kind == waltest.Rename && strings.HasSuffix(op.Name, "room.tmp") {
					roomy.Store(true)
				}
				return nil
			})
			return w
		}, size(12, 60), waltest.Sectors)
		t.Logf("%d power cuts", cuts)
		seed += 1_000_000
	}
	if !roomy.Load() {
		t.Error("no chunk was written into room made in advance")
	}
}
