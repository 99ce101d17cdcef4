package journal_test

import (
	"path/filepath"
	"sync"
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

// A badSector is a key file that cannot be read, until another has its name.
type badSector struct {
	mu     sync.Mutex
	name   string // guarded by mu; empty = all can be read
	opened int    // guarded by mu: how often it was tried
}

func (b *badSector) fail(op waltest.Operation) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.name == "":
	case op.Kind == waltest.Rename && filepath.Base(op.To) == b.name:
		b.name = ""
	case op.Kind == waltest.Open && filepath.Base(op.Name) == b.name:
		b.opened++
	case op.Kind == waltest.Read && filepath.Base(op.Name) == b.name:
		return syscall.EIO
	}
	return nil
}

func (b *badSector) set(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.name = name
}

func (b *badSector) tried() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened
}

// TestR7 has a key file that cannot be read for a while, or never again.
func TestR7AKeyFileThatCannotBeReadIsTriedAgainOrMadeAgain(t *testing.T) {
	for name, c := range map[string]struct {
		gone   bool // its chunk is
		heals  bool
		mended bool
	}{
		"it can be read again":                 {heals: true, mended: true},
		"its chunk is there":                   {mended: true},
		"its chunk is gone, and it heals":      {gone: true, heals: true, mended: true},
		"its chunk is gone, it is lost for us": {gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk, sector := waltest.NewDisk(1), &badSector{}
				disk.Fail(sector.fail)
				o := journal.Options{Dir: "/data", FS: disk, ChunkBytes: wal.DataStart + 1000}
				if c.gone {
					o.MaxBytes = smallRoom(3)
				}
				j := open(t, o)
				appendEach(t, j, "a", 30)
				first := received("a", 3) // in the first chunk, or the second
				sector.set("0000000000000001.keys")
				if got := requireOne(t, j, first[0]); got != daybook.Stored {
					t.Errorf("while it cannot be read, a copy is %v", got)
				}
				time.Sleep(time.Minute)
				if tries := sector.tried(); tries > 12 {
					t.Errorf("it was tried %d times in a minute", tries)
				}
				if c.heals {
					sector.set("")
				}
				time.Sleep(2 * time.Minute)
				want := daybook.Duplicate
				if !c.mended {
					want = daybook.Stored
				}
				if got := requireOne(t, j, first[1]); got != want {
					t.Errorf("later, a copy is %v", got)
				}
				if got := requireOne(t, j, received("a", 20)[19]); got != daybook.Duplicate {
					t.Errorf("a copy from another chunk is %v", got)
				}
			})
		})
	}
}

func requireOne(t *testing.T, j *journal.Journal, r store.Record) daybook.Status {
	t.Helper()
	receipts, err := j.Append(t.Context(), []store.Record{r})
	if err != nil {
		t.Fatal(err)
	}
	return receipts[0].Status
}
