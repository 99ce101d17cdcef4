package journal_test

import (
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
)

func statuses(t *testing.T, j *journal.Journal, records []store.Record) map[daybook.Status]int {
	t.Helper()
	receipts, err := j.Append(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	count := map[daybook.Status]int{}
	for _, r := range receipts {
		count[r.Status]++
	}
	return count
}

func TestKeyFilesKnowTheirChunksWhateverHappensToThem(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, name string){
		"untouched": func(*testing.T, string) {},
		"removed": func(t *testing.T, name string) {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		},
		"header damaged":  func(t *testing.T, name string) { overwrite(t, name, 41, []byte{0xff}) },
		"entries damaged": func(t *testing.T, name string) { overwrite(t, name, 90, []byte("xxxx")) },
		"cut short": func(t *testing.T, name string) {
			if err := os.Truncate(name, 100); err != nil {
				t.Fatal(err)
			}
		},
		"emptied": func(t *testing.T, name string) {
			if err := os.Truncate(name, 0); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, "a", 30)
			closeJournal(t, open(t, journal.Options{Dir: dir})) // makes the last key file
			keys := files(t, dir, ".keys")
			if len(keys) < 5 {
				t.Fatalf("%d key files", len(keys))
			}
			for _, name := range keys {
				damage(t, name)
			}
			j := open(t, journal.Options{Dir: dir, Now: justAfter})
			if got := statuses(t, j, storetest.Events("a", 30)); got[daybook.Duplicate] != 30 {
				t.Errorf("copies are %v", got)
			}
			if n := j.Stats().DedupKeys; n != 30 {
				t.Errorf("%d keys are known", n)
			}
			closeJournal(t, j)
			verifyClean(t, dir)
			if got := len(files(t, dir, ".keys")); got < len(keys) {
				t.Errorf("%d of %d key files are back", got, len(keys))
			}
		})
	}
}

// TestCopiesThatComeTogetherOpenTheirKeyFileOnce: everybody who was not answered
// sends again, and opening a file for each event took seven times as long as to
// store a new one.
func TestCopiesThatComeTogetherOpenTheirKeyFileOnce(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 30)
	closeJournal(t, open(t, journal.Options{Dir: dir})) // makes the last key file
	keys := files(t, dir, ".keys")
	counted := &openings{FS: wal.OS{}}
	j := open(t, journal.Options{Dir: dir, Now: justAfter, FS: counted})
	started := counted.keyFiles.Load()
	if got := statuses(t, j, storetest.Events("a", 30)); got[daybook.Duplicate] != 30 {
		t.Fatalf("copies are %v", got)
	}
	if n := counted.keyFiles.Load() - started; n == 0 || n > int64(len(keys)) {
		t.Errorf("%d key files were opened %d times", len(keys), n)
	}
	closeJournal(t, j)
	if n := counted.open.Load(); n != 0 {
		t.Errorf("%d key files are still open", n)
	}
}

// openings counts the key files that are opened, and those that are open.
type openings struct {
	wal.FS

	keyFiles, open atomic.Int64
}

func (o *openings) Open(name string) (wal.File, error) {
	file, err := o.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".keys") {
		return file, err
	}
	o.keyFiles.Add(1)
	o.open.Add(1)
	return &opened{file, o}, nil
}

type opened struct {
	wal.File

	by *openings
}

func (f *opened) Close() error {
	f.by.open.Add(-1)
	return f.File.Close()
}

// justAfter is when the events of storetest were received, and a minute.
func justAfter() time.Time {
	return storetest.Events("a", 1)[0].Received.Add(time.Minute)
}

func TestVerifyNamesADamagedKeyFile(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 30)
	keys := files(t, dir, ".keys")
	overwrite(t, keys[1], 90, []byte("xxxx"))
	var found []journal.Damage
	report, err := journal.Verify(dir, func(d journal.Damage) { found = append(found, d) })
	if err != nil || len(found) != 1 || report.KeyFiles != len(keys)-1 || report.Damaged != 0 {
		t.Errorf("found %v, %+v, %v", found, report, err)
	}
}

// received returns n records that were received now.
func received(prefix string, n int) []store.Record {
	records := storetest.Events(prefix, n)
	for i := range records {
		records[i].Received = time.Now()
	}
	return records
}

func TestIDsAreRememberedForTheWindowAndThenForgotten(t *testing.T) {
	for name, restart := range map[string]bool{"while the journal is open": false, "by the next one": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := journal.Options{Dir: t.TempDir(), ChunkBytes: wal.DataStart + 1500, DedupWindow: time.Hour}
				j := open(t, o)
				for _, r := range received("a", 30) {
					statuses(t, j, []store.Record{r})
				}
				time.Sleep(59 * time.Minute)
				if restart {
					closeJournal(t, j)
					j = open(t, o)
				}
				// The last ones stay known longer, with the active chunk.
				if got := statuses(t, j, received("a", 2)); got[daybook.Duplicate] != 2 {
					t.Errorf("within the window, copies are %v", got)
				}
				time.Sleep(2*time.Hour + time.Minute)
				if got := statuses(t, j, received("a", 2)); got[daybook.Stored] != 2 {
					t.Errorf("long after it, copies are %v", got)
				}
			})
		})
	}
}

func TestCopiesAreFoundAmongManyKeys(t *testing.T) {
	dir := t.TempDir()
	const chunk = 20_000
	j := open(t, journal.Options{Dir: dir, ChunkBytes: 4 << 20})
	for _, prefix := range []string{"a", "b", "c"} {
		if got := statuses(t, j, storetest.Events(prefix, chunk)); got[daybook.Stored] != chunk {
			t.Fatalf("stored %v", got)
		}
	}
	if n := len(files(t, dir, ".chunk")); n < 3 {
		t.Fatalf("%d chunks", n)
	}
	for _, prefix := range []string{"a", "b", "c"} {
		if got := statuses(t, j, storetest.Events(prefix, chunk)); got[daybook.Duplicate] != chunk {
			t.Errorf("copies of %s are %v", prefix, got)
		}
	}
	if got := statuses(t, j, storetest.Events("d", chunk)); got[daybook.Stored] != chunk {
		t.Errorf("new ones are %v", got)
	}
}
