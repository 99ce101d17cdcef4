package journal_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal/waltest"
)

// TestR8 has the disk stand still in a sync for up to five seconds, under a
// flood: nothing is answered early, only a bounded number of bytes wait, the
// others are refused at once and told when to come again, and afterwards
// everything that was let in is there.
func TestR8AStalledDiskShedsLoadAndAnswersNothingEarly(t *testing.T) {
	for _, stall := range []time.Duration{100 * time.Millisecond, 5 * time.Second} {
		t.Run(stall.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { requireShedding(t, stall) })
		})
	}
}

func requireShedding(t *testing.T, stall time.Duration) {
	disk := waltest.NewDisk(1)
	j := open(t, journal.Options{Dir: "/data", FS: disk, Now: justAfter})
	appendOne(t, j, "before")
	var synced atomic.Int64 // syncs that have ended, each after the stall
	disk.Fail(func(op waltest.Operation) error {
		if op.Kind == waltest.Sync {
			time.Sleep(stall)
			synced.Add(1)
		}
		return nil
	})
	const appends, bytes = 120, 1 << 20
	metadata := []byte(`"` + strings.Repeat("x", bytes) + `"`)
	var taken, shed atomic.Int64
	var sending sync.WaitGroup
	start := time.Now()
	for i := range appends {
		sending.Go(func() {
			r := storetest.Event("c", fmt.Sprint(i))
			r.Event.Metadata = metadata
			receipts, err := j.Append(t.Context(), []store.Record{r})
			switch {
			case err == nil && receipts[0].Status == daybook.Stored:
				taken.Add(1)
				if time.Since(start) < stall || synced.Load() == 0 {
					t.Errorf("answered after %v, with no sync done", time.Since(start))
				}
			case daybook.CodeOf(err) == daybook.Exhausted:
				shed.Add(1)
				if time.Since(start) > 0 {
					t.Errorf("refused only after %v", time.Since(start))
				}
			default:
				t.Errorf("%+v, %v", receipts, err)
			}
		})
	}
	sending.Wait()
	// What may wait is 64 MiB, and a group that is being written has 8.
	if taken.Load() == 0 || shed.Load() == 0 || taken.Load() > 64+8+1 {
		t.Errorf("%d appends of a megabyte were let in, %d refused", taken.Load(), shed.Load())
	}
	disk.Fail(nil)
	if n := len(storetest.ReadAll(t, j, 10)); n != int(taken.Load())+1 {
		t.Errorf("%d events are there, %d were answered stored", n, taken.Load()+1)
	}
	if r := appendOne(t, j, "after"); r.Status != daybook.Stored {
		t.Errorf("with the disk well again: %+v", r)
	}
}
